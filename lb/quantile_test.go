package lb

import (
	"testing"
	"time"
)

func TestWhoCountsLateClearsNoWindow(t *testing.T) {
	var r recent
	next := time.Unix(1_000_000, 0) // begins a window of ten seconds
	count := func(want uint64) {
		t.Helper()
		if _, n := r.quantile(0.5); n != want {
			t.Errorf("%d latencies are known, want %d", n, want)
		}
	}
	for range 100 {
		r.add(time.Millisecond, next.Add(-time.Second))
	}
	r.add(time.Millisecond, next)
	r.add(time.Millisecond, next.Add(-time.Nanosecond)) // looked at the clock before, and comes after
	count(102)
	r.add(time.Millisecond, next.Add(10*time.Second))
	count(2)
	r.add(time.Millisecond, next.Add(time.Hour))
	count(1)
	r.add(time.Millisecond, next) // a clock that was set back
	count(1)
}
