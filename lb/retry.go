package lb

import (
	"context"
	"math/rand/v2"
	"time"
)

// Retry sends a call again, to another endpoint, when a try failed in a way
// that makes this safe. The zero value is a good default: three tries within
// the caller's own deadline.
//
// It does no I/O and knows no transport: whoever uses it brings the try and
// the verdict on its error.
type Retry struct {
	// Max is how many tries there are at most; 3 if zero, 1 for no retry.
	Max int
	// Timeout is how long all tries and the waits between them may take; if
	// zero, only the caller's context limits them.
	Timeout time.Duration
	// PerTry is how long one try may take; if zero, all that is left.
	PerTry time.Duration
	// Backoff is how long to wait between two tries.
	Backoff Backoff
	// Budget limits how many calls are sent again, for all that share it;
	// if nil, nothing does. A request that never left gave no server any
	// work, and is not counted.
	Budget *Budget
}

// Backoff is the wait before a try: Initial before the second, Multiplier
// times longer before each one after it, never more than Max, and each time
// multiplied by a random factor from 0.8 to 1.2.
type Backoff struct {
	Initial    time.Duration // 25 ms if zero
	Max        time.Duration // 250 ms if zero
	Multiplier float64       // 2 if zero
}

// Safety says when a failed try may be followed by another one.
type Safety uint8

// When to try again.
const (
	// Never: the server answered, or it would be of no use.
	Never Safety = iota
	// IfIdempotent: the request may have reached the server, so only a call
	// that may be sent more than once ([Call.Idempotent]) is sent again.
	IfIdempotent
	// Always: the request never left.
	Always
)

// Verdict is what a transport makes of the error of a try.
type Verdict struct {
	Safety Safety
	// Free tells that, by all signs, no server had any work: another try
	// multiplies no load, so it goes out at once and the budget is not asked.
	// It does not make a call safe to send again.
	Free bool
	// After is for how long the server asked to be left alone; a longer
	// wait than the back-off is honoured, unless it ends after the deadline:
	// then there is no other try.
	After time.Duration
}

// Do calls try until it succeeds or must not be called again. It blocks, and
// calls try on the caller's goroutine, with a context that ends when the time
// of the try, or of all tries, is over, and at the latest when Do returns if
// there is such a time.
//
// try picks with call, which avoids the endpoints of the tries before. judge
// is asked about every error of try. The first try's error is returned as it
// is when judge says [Never]; any other one as a [*TriesError] that names
// every try. Once ctx ends or the budget is spent, there is no other try.
func (r Retry) Do(ctx context.Context, call *Call, try func(context.Context) error, judge func(error) Verdict) error {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	if r.Budget != nil {
		r.Budget.Call()
	}
	var tries []Try
	for {
		t := r.once(ctx, call, try)
		if t.Err == nil {
			return nil
		}
		verdict := judge(t.Err)
		if verdict.Safety == Never && len(tries) == 0 {
			return t.Err
		}
		tries = append(tries, t)
		if t.Endpoint != nil && !call.Avoids(t.Endpoint) {
			call.Tried = append(call.Tried, t.Endpoint)
		}
		if next, why := r.next(ctx, call, verdict, len(tries)); !next {
			return &TriesError{Tries: tries, Ended: why}
		}
	}
}

func (r Retry) once(ctx context.Context, call *Call, try func(context.Context) error) Try {
	if r.PerTry > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.PerTry)
		defer cancel()
	}
	call.picked.Store(nil)
	call.also = nil
	call.tries++
	t := Try{Start: time.Now()}
	t.Err = try(ctx)
	t.Endpoint, t.Beside, t.Took = call.picked.Load(), call.also, time.Since(t.Start)
	return t
}

// next waits for the moment of another try after n of them; if there is none,
// it may say why.
func (r Retry) next(ctx context.Context, call *Call, v Verdict, n int) (bool, error) {
	if ctx.Err() != nil || !r.again(call, v, n) {
		return false, ctx.Err()
	}
	wait := r.wait(v, n)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false, ctx.Err() // before the budget is asked: nothing will be sent
	}
	if !v.free() && r.Budget != nil && !r.Budget.Spend() {
		return false, ErrBudget
	}
	return sleep(ctx, wait), ctx.Err()
}

// again decides whether a call may be sent once more after n of them.
func (r Retry) again(call *Call, v Verdict, n int) bool {
	limit := r.Max
	if limit == 0 {
		limit = 3
	}
	return n < limit && (v.Safety == Always || v.Safety == IfIdempotent && call.Idempotent)
}

// free reports whether no server had any work.
func (v Verdict) free() bool { return v.Free || v.Safety == Always }

// wait is how long to wait after n tries. Where the first request never left,
// the second goes out at once: the endpoint is another one, and no server had
// any work yet.
func (r Retry) wait(v Verdict, n int) time.Duration {
	if v.free() && n == 1 {
		return v.After
	}
	return max(v.After, r.Backoff.Delay(n, rand.Float64()))
}

// Delay is the wait after n failed tries, from 1; at random in [0, 1) chooses
// within the jitter.
func (b Backoff) Delay(n int, random float64) time.Duration {
	b = b.withDefaults()
	d := float64(b.Initial)
	for i := 1; i < n && d < float64(b.Max); i++ {
		d *= b.Multiplier
	}
	return time.Duration(min(d, float64(b.Max)) * (0.8 + 0.4*random))
}

func (b Backoff) withDefaults() Backoff {
	if b.Initial == 0 {
		b.Initial = 25 * time.Millisecond
	}
	if b.Max == 0 {
		b.Max = 250 * time.Millisecond
	}
	if b.Multiplier == 0 {
		b.Multiplier = 2
	}
	return b
}

// sleep waits, and reports false when ctx ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
