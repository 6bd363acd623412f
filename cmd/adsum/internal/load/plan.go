// Package load makes calls at a fixed rate, whether or not they are answered,
// and measures how long each took from when it was due.
//
// A caller that waits for one answer before it asks again asks less while the
// server is slow, and so leaves out just what it should measure (Gil Tene,
// "How NOT to Measure Latency", on coordinated omission). Here the time for
// which a call could not be sent is part of its latency.
package load

import (
	"context"
	"sync"
	"time"
)

// Plan is a load: how many calls, and when.
type Plan struct {
	Rate     float64 // calls a second
	Duration time.Duration
	// InFlight is how many calls may be under way at once. Those that are
	// due then wait, which counts.
	InFlight int
}

// Calls is how many calls are due in all.
func (p Plan) Calls() int { return p.dueBy(p.Duration) }

func (p Plan) dueBy(elapsed time.Duration) int { return int(p.Rate * elapsed.Seconds()) }

// Run calls fire, each time in a goroutine of its own, with the time that the
// call was due at. It returns when the plan is over, or ctx ended, and all
// calls have: fire must end by itself. unsent is how many calls were due but
// still waited for others to end when time was up.
func (p Plan) Run(ctx context.Context, fire func(due time.Time)) (unsent int) {
	var flying sync.WaitGroup
	defer flying.Wait()
	start := time.Now()
	over, cancel := context.WithDeadline(ctx, start.Add(p.Duration))
	defer cancel()
	slots := make(chan struct{}, p.InFlight)
	for sent := range p.Calls() {
		due := start.Add(time.Duration(float64(sent) / p.Rate * float64(time.Second)))
		if !sleepUntil(ctx, due) || !acquire(over, slots) {
			return max(0, p.dueBy(min(time.Since(start), p.Duration))-sent)
		}
		flying.Go(func() {
			defer func() { <-slots }()
			fire(due)
		})
	}
	return 0
}

// acquire takes a slot; one that is free also when ctx has ended, for a call
// that was only due in the last moment.
func acquire(ctx context.Context, slots chan<- struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func sleepUntil(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
