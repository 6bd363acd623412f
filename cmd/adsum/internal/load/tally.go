package load

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are recorded in microseconds up to an hour, with two significant
// digits: percentiles are within one per cent.
const (
	longest = time.Hour
	digits  = 2
)

// Result is how one call ended.
type Result struct {
	ID, Addr string // of the copy
	Latency  time.Duration
	Error    string // what kind of failure; "" is none
}

// Tally counts calls, and their latencies, by the copy. Its methods are safe
// for concurrent use; the zero value is empty.
type Tally struct {
	mu     sync.Mutex
	all    *count
	copies map[string]*count
	errors map[string]int
}

type count struct {
	addr      string
	failed    int
	latencies *hdrhistogram.Histogram
}

func newCount(addr string) *count {
	return &count{addr: addr, latencies: hdrhistogram.New(1, longest.Microseconds(), digits)}
}

func (c *count) add(r Result) {
	if r.Error != "" {
		c.failed++
	}
	// Within these bounds it cannot fail.
	_ = c.latencies.RecordValue(min(max(r.Latency, time.Microsecond), longest).Microseconds())
}

// Add takes in one call.
func (t *Tally) Add(r Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.reset()
	}
	c := t.copies[r.ID]
	if c == nil {
		c = newCount(r.Addr)
		t.copies[r.ID] = c
	}
	c.add(r)
	t.all.add(r)
	if r.Error != "" {
		t.errors[r.Error]++
	}
}

func (t *Tally) reset() {
	t.all, t.copies, t.errors = newCount(""), map[string]*count{}, map[string]int{}
}

// Count is what one copy, or all, had of the calls.
type Count struct {
	ID      string  `json:"id"`
	Addr    string  `json:"addr"`
	Calls   int     `json:"calls"`
	Failed  int     `json:"failed"`
	Latency Latency `json:"latency"`
}

// Latency is in seconds, from when calls were due to when they ended, however
// they ended.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Summary is a tally at one time.
type Summary struct {
	Calls   int            `json:"calls"`
	Failed  int            `json:"failed"`
	Latency Latency        `json:"latency"`
	Copies  []Count        `json:"copies"` // in the order of their ids
	Errors  map[string]int `json:"errors"` // by their kind
}

// Summary is what was added so far.
func (t *Tally) Summary() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.summary()
}

// Take is the summary of what was added since the last Take.
func (t *Tally) Take() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.summary()
	t.reset()
	return s
}

func (t *Tally) summary() Summary {
	if t.all == nil {
		t.reset()
	}
	all := t.all.sum("")
	s := Summary{Calls: all.Calls, Failed: all.Failed, Latency: all.Latency, Copies: []Count{}, Errors: maps.Clone(t.errors)}
	for id, c := range t.copies {
		s.Copies = append(s.Copies, c.sum(id))
	}
	slices.SortFunc(s.Copies, func(a, b Count) int { return strings.Compare(a.ID, b.ID) })
	return s
}

func (c *count) sum(id string) Count {
	seconds := func(micros int64) float64 { return (time.Duration(micros) * time.Microsecond).Seconds() }
	at := func(percentile float64) float64 { return seconds(c.latencies.ValueAtQuantile(percentile)) }
	return Count{
		ID: id, Addr: c.addr, Calls: int(c.latencies.TotalCount()), Failed: c.failed,
		Latency: Latency{
			Mean: c.latencies.Mean() / 1e6, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: seconds(c.latencies.Max()),
		},
	}
}
