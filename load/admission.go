package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// ErrOverloaded says that a call was refused because the server has enough to
// do. The error is a [*RefusedError].
var ErrOverloaded = errors.New("overloaded")

// RefusedError is why a call was refused, and when to come back.
type RefusedError struct {
	InFlight, Limit int
	RetryAfter      time.Duration
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v: %d calls are under way, the limit is %d; come back in %v or call another copy", ErrOverloaded, e.InFlight, e.Limit, e.RetryAfter)
}

// Unwrap is [ErrOverloaded].
func (e *RefusedError) Unwrap() error { return ErrOverloaded }

// Admission lets in as many calls as the server can do at a time, and refuses
// the others at once: an answer that comes too late is work for nothing, and a
// server that does only such work serves nobody.
//
// The zero value is a good default: it finds the limit out by itself, by an
// [lb.Gradient], and lets nobody wait. An Admission must not be copied after its
// first use. Its methods are safe for concurrent use.
type Admission struct {
	// Limit is how many calls may be under way; found out if zero.
	Limit int
	// Gradient finds the limit out; its zero value is a good default.
	Gradient lb.Gradient
	// Queue is how many more calls may wait until there is room, none if
	// zero, and MaxWait how long each of them; 100 ms if zero. A queue takes
	// in bursts that are shorter than that.
	Queue   int
	MaxWait time.Duration
	// RetryAfter is for how long callers are asked to leave the server alone
	// that were refused; 100 ms if zero.
	RetryAfter time.Duration
	// Meter, if not nil, is told of the calls that are under way and that
	// wait.
	Meter *Meter
	// Now is a monotonic clock, for simulations.
	Now func() time.Duration

	clock    clock
	mu       sync.Mutex
	inflight int
	queue    []*waiter // the first one waits longest
	refused  int64
}

// waiter is a call that waits; let is closed when it may begin.
type waiter struct{ let chan struct{} }

// Enter lets a call in, or refuses it with a [*RefusedError]. With a queue it
// waits as long as that allows, and fails with the context's error if that ends
// before. The ticket's Leave must be called once.
func (a *Admission) Enter(ctx context.Context) (Ticket, error) {
	a.mu.Lock()
	limit := a.limit()
	if a.inflight < limit && len(a.queue) == 0 {
		a.inflight++
		a.mu.Unlock()
		return a.begin(), nil
	}
	if len(a.queue) >= a.Queue {
		defer a.mu.Unlock()
		return Ticket{}, a.refuse(limit)
	}
	w := &waiter{let: make(chan struct{})}
	a.queue = append(a.queue, w)
	a.mu.Unlock()
	return a.wait(ctx, w)
}

// Ask reports whether a call would be let in now, and refuses it as Enter does.
// It is for calls that last, such as streams, of which nobody knows whether
// they have anything to do.
func (a *Admission) Ask() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if limit := a.limit(); a.inflight >= limit {
		return a.refuse(limit)
	}
	return nil
}

// Refused is how many calls were refused.
func (a *Admission) Refused() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused
}

// InFlight is how many calls are under way.
func (a *Admission) InFlight() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inflight
}

// refuse counts a refusal. The caller holds mu.
func (a *Admission) refuse(limit int) error {
	a.refused++
	return &RefusedError{InFlight: a.inflight, Limit: limit, RetryAfter: orElse(a.RetryAfter, 100*time.Millisecond)}
}

func (a *Admission) wait(ctx context.Context, w *waiter) (Ticket, error) {
	if a.Meter != nil {
		a.Meter.wait(1)
		defer a.Meter.wait(-1)
	}
	timer := time.NewTimer(orElse(a.MaxWait, 100*time.Millisecond))
	defer timer.Stop()
	var ended error
	select {
	case <-w.let:
		return a.begin(), nil
	case <-ctx.Done():
		ended = ctx.Err()
	case <-timer.C:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, other := range a.queue {
		if other == w {
			a.queue = append(a.queue[:i], a.queue[i+1:]...)
			if ended == nil {
				ended = a.refuse(a.limit())
			}
			return Ticket{}, ended
		}
	}
	return a.begin(), nil // let in at this very moment
}

// limit is how many calls may be under way now.
func (a *Admission) limit() int {
	if a.Limit > 0 {
		return a.Limit
	}
	return a.Gradient.Limit()
}

// Ticket is a call that was let in.
type Ticket struct {
	admission *Admission
	since     time.Duration
	call      Call
}

func (a *Admission) begin() Ticket {
	t := Ticket{admission: a, since: a.now()}
	if a.Meter != nil {
		t.call = a.Meter.Begin()
	}
	return t
}

// Leave says that the call is over, and lets in who waits. Calls that were done
// well, and such as were given up by who waited for them, tell how much the
// server can do; others, which may have failed at once, do not.
func (t Ticket) Leave(well, givenUp bool) {
	a := t.admission
	if t.call.meter != nil {
		t.call.Done(well)
	}
	now := a.now()
	a.mu.Lock()
	before := a.inflight
	a.inflight--
	for len(a.queue) > 0 && a.inflight < a.limit() {
		close(a.queue[0].let)
		a.queue[0] = nil
		a.queue = a.queue[1:]
		a.inflight++
	}
	a.mu.Unlock()
	if a.Limit == 0 && (well || givenUp) {
		a.Gradient.Observe(now, now-t.since, int64(before))
	}
}

func (a *Admission) now() time.Duration { return a.clock.now(a.Now) }

// orElse is a setting, or its default.
func orElse(set, otherwise time.Duration) time.Duration {
	if set > 0 {
		return set
	}
	return otherwise
}
