package lb

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Policy decides which endpoint a call goes to. A Policy is a plain value
// without state of its own, so that one may serve any number of balancers:
// what it must remember lives in its picker, and is carried over from the
// picker that it replaces.
type Policy interface {
	// Name says what it is, for logs and for explaining a pick.
	Name() string
	// Build makes the picker for one set of callable endpoints, sorted by
	// id and never empty. It is called whenever that set, or what the
	// registry says of an endpoint in it, changes; by one goroutine at a
	// time for each balancer. prev is the picker that it replaces, nil at
	// first; picks and outcomes still reach prev while Build runs. The
	// slice may be kept, not modified.
	Build(env *Env, endpoints []*Endpoint, prev Picker) Picker
}

// Picker picks from the endpoints it was built for. Its methods are called
// concurrently, for every call: they must not block and should not allocate.
type Picker interface {
	// Pick returns one of the endpoints, or nil if it will have none of
	// them called now. call may be nil: a first try without a key. The
	// balancer asks again, and at last takes any endpoint that is left,
	// when the answer is one that the call [Call.Avoids]; only a policy
	// that knows better than to be asked again looks there itself.
	Pick(call *Call) *Endpoint
}

// Observer is a [Picker] that learns from how calls end.
type Observer interface {
	Picker
	// Done is called once for every call that went to ep, also when the
	// picker it was picked by has been replaced since: the newest learns,
	// even of an endpoint that it no longer picks.
	Done(ep *Endpoint, outcome Outcome)
}

// Narrower is a [Picker] that picks from some of the endpoints only. The others
// are not taken in its place either, when a call was tried on all of these.
type Narrower interface {
	Picker
	// Narrowed returns them, sorted by id, at least one, and always the
	// same.
	Narrowed() []*Endpoint
}

// Selector is a [Policy] that wants some of the endpoints only, whatever
// becomes of them, and knows which by what the registry says: the others need
// no connection.
type Selector interface {
	Policy
	// Select returns those it wants, in the same order. The endpoints are
	// sorted by id, and not to be modified. It is called before Build, by
	// one goroutine at a time for each balancer.
	Select(endpoints []*Endpoint) []*Endpoint
}

// Signals says what a policy wants measured. What nobody wants costs nothing.
type Signals uint

// What a balancer can measure.
const (
	// InFlight: count the calls under way to each endpoint.
	InFlight Signals = 1 << iota
	// Latency: see to it that [Outcome.Latency] is there.
	Latency
	// TotalInFlight: count the calls under way to all endpoints together,
	// for [Env.InFlight].
	TotalInFlight
	// Loads: keep what endpoints say of themselves ([Outcome.Load]), and hand
	// it to a [LoadObserver].
	Loads
	// SomeLatencies is Latency for a policy that does with some of them, as
	// two looks at the clock take longer than all the rest of a pick: while
	// more than about 32 calls a millisecond begin, only every fourth is
	// timed, at random, and [Outcome.Latency] of the others is 0.
	SomeLatencies
)

// Needer is a [Policy] that wants signals.
type Needer interface{ Needs() Signals }

// Env is what a balancer lends to its policy. It lives as long as the
// balancer, across all updates. Its methods are safe for concurrent use.
type Env struct {
	random   func() uint64        // nil for the runtime's
	now      func() time.Duration // nil for the time since base
	probe    func(*Endpoint) bool // nil if the transport cannot
	base     time.Time
	rebuild  func()
	rebuilds atomic.Bool // one is on its way
	closed   atomic.Bool
	weighed  atomic.Pointer[weighed] // those that were compiled last
	inflight atomic.Int64            // of all endpoints, where it is asked for
	_        [56]byte
	latest   atomic.Uint64 // tick of the last look at the clock, where latency is asked for, and looks in that tick
}

func newEnv(opts Options) *Env {
	return &Env{random: opts.Rand, now: opts.Now, probe: opts.Probe, base: time.Now()}
}

// Rand returns 64 random bits, good for spreading calls and not for secrets.
func (e *Env) Rand() uint64 {
	if e.random != nil {
		return e.random()
	}
	return rand.Uint64()
}

// Now is the time since an arbitrary start, monotonic.
func (e *Env) Now() time.Duration {
	if e.now != nil {
		return e.now()
	}
	return time.Since(e.base)
}

// InFlight is the number of calls under way from this balancer, where its
// policy asks for it ([TotalInFlight]); otherwise 0.
func (e *Env) InFlight() int64 { return e.inflight.Load() }

// Probe asks an endpoint for its load, and reports whether it did. It does not
// wait for the answer, which goes to [LoadObserver.Loaded], if there is one.
func (e *Env) Probe(ep *Endpoint) bool { return e.probe != nil && e.probe(ep) }

// index returns one of n at random; n must be positive.
func (e *Env) index(n int) int {
	i, _ := bits.Mul64(e.Rand(), uint64(n))
	return int(i)
}

// lately is the time of the last pick or outcome that was timed: good enough
// for what fades over seconds, and cheaper than to ask the clock.
func (e *Env) lately() tick { return tick(e.latest.Load() >> 32) }

func (e *Env) saw(now time.Duration) {
	last := e.latest.Load()
	if t := tickOf(now); t != tick(last>>32) {
		e.latest.Store(uint64(t) << 32)
	} else if uint32(last) < manyLooks {
		e.latest.Store(last + 1) // one that gets lost does no harm
	}
}

const (
	manyLooks = 64 // at the clock in a tick; two for each call
	oneTimed  = 4  // of so many calls, beyond that
)

// spare decides whether a call need not be timed. When there were many calls
// and now are few, the clock stands still for some of them; it goes on with the
// next one that is timed.
func (e *Env) spare() bool {
	return uint32(e.latest.Load()) >= manyLooks && e.Rand()%oneTimed != 0
}

// Rebuild asks the balancer to build the picker again, because the policy knows
// something new. It does not block, and may be called from anywhere.
func (e *Env) Rebuild() {
	if !e.rebuilds.CompareAndSwap(false, true) {
		return
	}
	e.After(0, func() {
		e.rebuilds.Store(false)
		e.rebuild()
	})
}

// After calls f on a goroutine of its own when d has passed, unless the balancer
// was closed by then.
func (e *Env) After(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		if !e.closed.Load() {
			f()
		}
	})
}

func (e *Env) close() { e.closed.Store(true) }
