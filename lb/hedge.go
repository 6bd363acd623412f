package lb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Hedge is for sending a call a second time, to another endpoint, when its
// answer takes longer than nearly all did lately; the first answer counts (Dean
// and Barroso, "The Tail at Scale", 2013). One Hedge serves all calls of one
// kind, whose latencies it learns; see [Hedged], and [Hedge.For] for several
// kinds.
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
	seen      atomic.Int64 // latencies, while too few are known
	delay     atomic.Int64 // 0 while not enough is known
	reckoned  atomic.Int64 // when, in seconds since 1970

	counts hedgeCounts
	whole  *Hedge // that For was asked of, whose counts these are; nil for itself
	apart  bool   // Budget is not that of the retries, who count the calls for theirs

	mu    sync.Mutex // of additions to kinds
	kinds sync.Map   // *Hedge by string
	count int        // of them
}

const (
	hedgeAfter = 100 // latencies must be known
	hedgeKinds = 256 // are told apart at most
)

// HedgeStats count what a [Hedge] did since it was made.
type HedgeStats struct {
	// Sent is how many calls were sent a second time, Won how many of those
	// were answered by the second try, and Refused how many more would have
	// been sent if the budget had allowed it.
	Sent, Won, Refused int64
}

type hedgeCounts struct{ sent, won, refused atomic.Int64 }

// Stats returns the counts of all kinds together.
func (h *Hedge) Stats() HedgeStats {
	c := h.counters()
	return HedgeStats{Sent: c.sent.Load(), Won: c.won.Load(), Refused: c.refused.Load()}
}

func (h *Hedge) counters() *hedgeCounts {
	if h.whole != nil {
		return &h.whole.counts
	}
	return &h.counts
}

// For returns the Hedge for one kind of call, such as a method: it has the
// settings of h, learns latencies of its own, and is counted among h's. budget
// is that of the retries, which count the calls for it; it is spent here as well
// if h names none. The first one that is given for a kind holds. There are 256
// kinds at most; all others are taken for one.
func (h *Hedge) For(kind string, budget *Budget) *Hedge {
	if k, ok := h.kinds.Load(kind); ok {
		return k.(*Hedge)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count >= hedgeKinds {
		kind = ""
	}
	if k, ok := h.kinds.Load(kind); ok {
		return k.(*Hedge)
	}
	k := &Hedge{Quantile: h.Quantile, Budget: budget, whole: h}
	if h.Budget != nil {
		k.Budget, k.apart = h.Budget, h.Budget != budget
	}
	if h.whole != nil {
		k.whole = h.whole
	}
	h.kinds.Store(kind, k)
	h.count++
	return k
}

// Observe learns how long a successful call took.
func (h *Hedge) Observe(latency time.Duration) {
	now := time.Now()
	h.latencies.add(latency, now)
	if h.delay.Load() == 0 && h.seen.Add(1)%hedgeAfter == 0 {
		h.reckon()
		return
	}
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
// too little is known to tell: fewer than 100 calls in the last ten to twenty
// seconds. It looks once a second.
func (h *Hedge) Delay() (time.Duration, bool) {
	d := h.delay.Load()
	return time.Duration(d), d > 0
}

// Call counts a call, unless those who retry it count it already.
func (h *Hedge) Call() {
	switch {
	case h.Budget == nil:
		h.own.Call()
	case h.apart:
		h.Budget.Call()
	}
}

// Spend reports whether a call may be sent a second time now.
func (h *Hedge) Spend() bool {
	may := h.budget().Spend()
	if !may {
		h.counters().refused.Add(1)
	}
	return may
}

func (h *Hedge) budget() *Budget {
	if h.Budget == nil {
		return &h.own
	}
	return h.Budget
}

// Hedged calls try, and if that takes long and the call is idempotent, calls it
// once more beside the first, on a goroutine of its own and with a call of its
// own, which goes to no endpoint that the call was sent to before; if there is
// no other, it fails. The first success ends the other try's context and is
// returned, and call names its endpoint. If none succeeds, the value and the error of the first try are, and
// call knows both endpoints as tried. A first try that fails before the second
// is sent is returned at once: that is for [Retry], within whose try Hedged may
// be called. A call that is pinned ([Pin]) is sent once.
//
// Hedged returns when both tries have: try must honour its context, and be safe
// to be called by two goroutines. The contexts that try gets end with it. drop,
// which may be nil, is given every value that is not returned, be it of a
// success or of a failure.
//
// An error that is an answer, such as that there is no such thing, should be
// part of the value, so that it ends the other try, too.
func Hedged[T any](ctx context.Context, h *Hedge, call *Call, try func(context.Context, *Call) (T, error), drop func(T)) (T, error) {
	h.Call()
	start := time.Now()
	var value T
	var err error
	if delay, known := h.Delay(); known && call.Idempotent && call.pin == nil {
		r := &race[T]{hedge: h, call: call, try: try, drop: drop, over: make(chan struct{})}
		r.tried = call.Tried[:len(call.Tried):len(call.Tried)]
		value, err = r.run(ctx, delay)
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

// race is a call that may be under way twice. The first try runs on the
// caller's goroutine, since it is the only one nearly always.
type race[T any] struct {
	hedge *Hedge
	call  *Call
	tried []*Endpoint // before the first try
	try   func(context.Context, *Call) (T, error)
	drop  func(T)

	// Of the second try; to be read when over is closed.
	other    *Call // nil if it was not sent
	denied   bool  // the budget did not allow it
	value    T
	err      error
	panicked any
	over     chan struct{}
}

func (r *race[T]) run(ctx context.Context, delay time.Duration) (T, error) {
	firstCtx, endFirst := context.WithCancelCause(ctx)
	defer endFirst(nil)
	secondCtx, endSecond := context.WithCancelCause(ctx)
	defer endSecond(nil)
	timer := time.AfterFunc(delay, func() { r.second(secondCtx, endFirst) })
	defer timer.Stop()

	value, err := r.try(firstCtx, r.call)
	overtaken := WasOvertaken(firstCtx)
	if timer.Stop() {
		return value, err
	}
	if err == nil {
		endSecond(errOvertaken)
	}
	<-r.over
	return r.decide(value, err, overtaken)
}

// second sends the call again. It ends the first try if it succeeds.
func (r *race[T]) second(ctx context.Context, endFirst context.CancelCauseFunc) {
	defer close(r.over)
	if ctx.Err() != nil {
		return
	}
	if r.denied = !r.hedge.Spend(); r.denied {
		return
	}
	tried := r.tried
	if ep := r.call.Endpoint(); ep != nil {
		tried = append(tried, ep)
	}
	r.other = &Call{Key: r.call.Key, Idempotent: true, Tried: tried, hedge: r.hedge}
	// A panic belongs to the caller, who may know how to deal with it.
	defer func() { r.panicked = recover() }()
	r.value, r.err = r.try(ctx, r.other)
	if r.other.lone && !r.other.sent {
		r.hedge.budget().giveBack()
	}
	if r.err == nil {
		endFirst(errOvertaken)
	}
}

// decide chooses between the two, which have both ended.
func (r *race[T]) decide(value T, err error, overtaken bool) (T, error) {
	r.call.hedged.Store(r.call.hedged.Load() || r.other != nil && r.other.sent)
	r.call.denied = r.call.denied || r.denied
	switch {
	case r.panicked != nil:
		panic(r.panicked)
	case r.other == nil:
		return value, err
	case r.err == nil && (overtaken || err != nil):
		r.hedge.counters().won.Add(1)
		r.call.won = true
		r.call.picked.Store(r.other.Endpoint())
		r.dropped(value)
		return r.value, nil
	}
	if ep := r.other.Endpoint(); err != nil && ep != nil {
		r.call.also = ep
		if !r.call.Avoids(ep) {
			r.call.Tried = append(r.call.Tried, ep)
		}
	}
	r.dropped(r.value)
	return value, err
}

func (r *race[T]) dropped(value T) {
	if r.drop != nil {
		r.drop(value)
	}
}

// errOvertaken is why the context of a try ended that lost against another one.
var errOvertaken = errors.New("another endpoint answered first")

// WasOvertaken reports whether ctx, that of a try by [Hedged], ended because
// another endpoint answered the same call; the try's outcome is [Overtaken]
// then.
func WasOvertaken(ctx context.Context) bool { return context.Cause(ctx) == errOvertaken }

// errNoOther refuses a second try on the endpoints that have the call already.
var errNoOther = fmt.Errorf("%w beside those that have the call already", ErrNoEndpoint)
