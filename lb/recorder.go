package lb

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// recorder keeps the last picks of a balancer. A burst of as many as it keeps is
// recorded whole; of more than a hundred a second that last, a hundred are. A
// pick that is not recorded costs a look at the clock.
type recorder struct {
	size int
	due  atomic.Int64 // when the next one may be recorded at a steady pace, in the balancer's time

	mu   sync.Mutex
	ring []Explanation
	next int // where the next one goes, once the ring is full
}

const (
	recordEvery      = 10 * time.Millisecond
	recordCandidates = 32
)

// takes reports whether a pick is to be recorded, and counts it if so. It is
// the "virtual scheduling" form of ATM's generic cell rate algorithm.
func (r *recorder) takes(now time.Duration) bool {
	for {
		due := r.due.Load()
		if time.Duration(due)-now > time.Duration(r.size-1)*recordEvery {
			return false
		}
		if r.due.CompareAndSwap(due, int64(max(time.Duration(due), now)+recordEvery)) {
			return true
		}
	}
}

func (r *recorder) add(x Explanation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < r.size {
		r.ring = append(r.ring, x)
		return
	}
	r.ring[r.next] = x
	r.next = (r.next + 1) % r.size
}

// last returns what was recorded, the newest first.
func (r *recorder) last() []Explanation {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Concat(r.ring[r.next:], r.ring[:r.next])
	slices.Reverse(all)
	return all
}

// Recent returns the picks that were recorded lately, the newest first; none
// without an [Inspector]. The explanations are shared, and not to be modified.
func (b *Balancer) Recent() []Explanation {
	if b.recorder == nil {
		return []Explanation{}
	}
	return b.recorder.last()
}

// pickRecorded is Pick for a balancer that records.
func (b *Balancer) pickRecorded(v *view, call *Call) (Picked, error) {
	if !v.recorder.takes(b.env.Now()) {
		return b.pickFrom(v.unrecorded, call)
	}
	t := &Trace{}
	picked, err := b.pickFrom(v.traced(t), call)
	v.recorder.add(b.explain(v, v.field, t, call, picked.Endpoint, err, recordCandidates))
	return picked, err
}
