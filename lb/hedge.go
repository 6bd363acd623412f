package lb

import (
	"context"
	"sync/atomic"
	"time"
)

// Hedge is for sending a call a second time, to another endpoint, when its
// answer takes longer than nearly all did lately; the first answer counts (Dean
// and Barroso, "The Tail at Scale", 2013). One Hedge serves all calls of one
// kind, whose latencies it learns; see [Hedged].
//
// The zero value is ready for use. A Hedge must not be copied after that. Its
// methods are safe for concurrent use.
type Hedge struct {
	// Quantile is the share of the calls that are answered before the second
	// one is sent; 0.95 if zero.
	Quantile float64
	// Budget limits how many are sent, in common with retries; if nil, a
	// zero one of its own does.
	Budget *Budget

	own       Budget
	latencies recent
	delay     atomic.Int64 // 0 while not enough is known
	reckoned  atomic.Int64 // when, in seconds since 1970
}

// hedgeAfter is how many latencies must be known.
const hedgeAfter = 100

// Observe learns how long a successful call took.
func (h *Hedge) Observe(latency time.Duration) {
	now := time.Now()
	h.latencies.add(latency, now)
	if last := h.reckoned.Load(); last != now.Unix() && h.reckoned.CompareAndSwap(last, now.Unix()) {
		h.reckon()
	}
}

func (h *Hedge) reckon() {
	q := h.Quantile
	if q == 0 {
		q = 0.95
	}
	d, n := h.latencies.quantile(q)
	if n < hedgeAfter {
		d = 0
	}
	h.delay.Store(int64(d))
}

// Delay is how long to wait before a call is sent again. It reports false while
// too little is known to tell; it looks once a second.
func (h *Hedge) Delay() (time.Duration, bool) {
	d := h.delay.Load()
	return time.Duration(d), d > 0
}

// Call counts a call, unless those who retry it count it already.
func (h *Hedge) Call() {
	if h.Budget == nil {
		h.own.Call()
	}
}

// Spend reports whether a call may be sent a second time now.
func (h *Hedge) Spend() bool {
	if h.Budget == nil {
		return h.own.Spend()
	}
	return h.Budget.Spend()
}

// Hedged calls try, and if that takes long and the call is idempotent, calls it
// once more beside the first with a call of its own, which avoids the endpoint of
// the first. It returns the first success; the error of the first try if none
// succeeds. A first try that fails before the second is sent is returned at
// once: that is for [Retry], within whose try Hedged may be called.
//
// The contexts that try gets end when Hedged returns, so that what lost is
// cancelled; try must be safe to be called by two goroutines, and honour its
// context. The value of a success that came too late is given to drop, which may
// be nil.
func Hedged[T any](ctx context.Context, h *Hedge, call *Call, try func(context.Context, *Call) (T, error), drop func(T)) (T, error) {
	h.Call()
	start := time.Now()
	var value T
	var err error
	if delay, known := h.Delay(); known && call.Idempotent {
		value, err = hedged(ctx, h, delay, call, try, drop)
	} else {
		value, err = try(ctx, call)
	}
	if err == nil {
		// The whole time, not that of the try that won: else the delay
		// would get shorter with every call that was sent twice.
		h.Observe(time.Since(start))
	}
	return value, err
}

func hedged[T any](ctx context.Context, h *Hedge, delay time.Duration, call *Call, try func(context.Context, *Call) (T, error), drop func(T)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &race[T]{try: try, drop: drop, answers: make(chan answer[T]), over: make(chan struct{})}
	defer close(r.over)
	go r.run(ctx, call)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case first := <-r.answers:
		return first.value, first.err
	case <-timer.C:
	}
	if !h.Spend() {
		first := <-r.answers
		return first.value, first.err
	}
	return r.second(ctx, call)
}

// race is a call that may be under way twice.
type race[T any] struct {
	try     func(context.Context, *Call) (T, error)
	drop    func(T)
	answers chan answer[T]
	over    chan struct{} // closed when nobody waits any longer
}

type answer[T any] struct {
	call  *Call
	value T
	err   error
}

func (r *race[T]) run(ctx context.Context, call *Call) {
	value, err := r.try(ctx, call)
	select {
	case r.answers <- answer[T]{call, value, err}:
	case <-r.over:
		if err == nil && r.drop != nil {
			r.drop(value)
		}
	}
}

// second sends the call again and waits for the better answer.
func (r *race[T]) second(ctx context.Context, call *Call) (T, error) {
	other := &Call{Key: call.Key, Idempotent: true, Tried: call.Tried[:len(call.Tried):len(call.Tried)]}
	if ep := call.Endpoint(); ep != nil {
		other.Tried = append(other.Tried, ep)
	}
	call.hedged.Store(true)
	go r.run(ctx, other)
	var failed error
	for range 2 {
		a := <-r.answers
		if a.err == nil {
			return a.value, nil
		}
		if failed == nil || a.call == call {
			failed = a.err
		}
	}
	var none T
	return none, failed
}
