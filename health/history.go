package health

import (
	"encoding/json"
	"time"
)

// Result is one answer of a check.
type Result struct {
	Time    time.Time     // when it was asked
	Latency time.Duration // how long the answer took
	Err     error         // nil if all is well
}

// MarshalJSON writes time, latency_seconds and, for a failure, error.
func (r Result) MarshalJSON() ([]byte, error) {
	out := struct {
		Time    time.Time `json:"time"`
		Seconds float64   `json:"latency_seconds"`
		Error   string    `json:"error,omitempty"`
	}{Time: r.Time, Seconds: r.Latency.Seconds()}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	return json.Marshal(out)
}

// history keeps the newest results, up to the capacity it was made with.
type history struct {
	results []Result
	next    int // where the oldest lies once results is full
}

func newHistory(n int) history { return history{results: make([]Result, 0, n)} }

func (h *history) add(r Result) {
	if len(h.results) < cap(h.results) {
		h.results = append(h.results, r)
		return
	}
	h.results[h.next] = r
	h.next = (h.next + 1) % len(h.results)
}

// list returns a copy, oldest first.
func (h *history) list() []Result {
	return append(append([]Result{}, h.results[h.next:]...), h.results[:h.next]...)
}
