package lb

import (
	"math"
	"sync/atomic"
	"time"
)

// Load is what a server says of itself, with an answer or when it is probed. The
// zero value says nothing.
type Load struct {
	// Known says that the server said something.
	Known bool
	// InFlight is how many calls it has to do with, from everybody, without
	// the one that was answered.
	InFlight int
	// Queue is how many of those wait to be begun.
	Queue int
	// Service is how long a call takes from when it is begun, on average.
	Service time.Duration
	// Utilization is how much of what it can do it does: 1 is all. It may be
	// that of the processor, or the server's own idea.
	Utilization float64
}

// LoadObserver is a [Picker] that learns from what servers say of themselves
// beside the calls that went to them.
type LoadObserver interface {
	Picker
	// Loaded is called with every known load of an endpoint, before Done
	// where it came with an answer.
	Loaded(ep *Endpoint, load Load)
}

// reported is what an endpoint last said of itself. Its words are not read
// together, and need not be: all are estimates.
type reported struct {
	work  atomic.Uint64 // calls in flight, and a float32 of their service time in nanoseconds
	at    atomic.Uint64 // the tick when that was said, and one; 0 if nothing ever was
	since atomic.Int64  // calls begun from here since then
}

func (r *reported) learn(l Load, now tick) {
	r.work.Store(uint64(uint32(min(max(l.InFlight, 0), math.MaxInt32)))<<32 | uint64(math.Float32bits(float32(l.Service))))
	r.at.Store(uint64(now) + 1)
	r.since.Store(0)
}

// age is for how many ticks nothing was said; the most if nothing ever was.
func (r *reported) age(now tick) int32 {
	at := r.at.Load()
	if at == 0 {
		return math.MaxInt32
	}
	return int32(now - tick(at-1))
}

// inFlight is how many calls the endpoint has, as far as can be known from here:
// those it told of, and those begun from here since.
func (r *reported) inFlight() float64 {
	return float64(r.work.Load()>>32) + float64(r.since.Load())
}

func (r *reported) service() float64 {
	return float64(math.Float32frombits(uint32(r.work.Load())))
}
