package lb

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Policy decides which endpoint a call goes to. A Policy is a plain value
// without state of its own, so that one may serve any number of balancers:
// what it must remember lives in the [Env] of the balancer, in the
// [Endpoint]s, or is carried over from the picker it replaces.
type Policy interface {
	// Name says what it is, for logs and for explaining a pick.
	Name() string
	// Build makes the picker for one set of callable endpoints, sorted by
	// id and never empty. It is called whenever that set changes, by one
	// goroutine at a time for each balancer; prev is the picker that is
	// being replaced, nil at first. The slice may be kept, not modified.
	Build(env *Env, endpoints []*Endpoint, prev Picker) Picker
}

// Picker picks from the endpoints it was built for. Its methods are called
// concurrently, for every call: they must not block and should not allocate.
type Picker interface {
	// Pick returns one of the endpoints. call may be nil: a first try
	// without a key.
	Pick(call *Call) *Endpoint
}

// Observer is a [Picker] that learns from how calls end.
type Observer interface {
	Picker
	// Done is called once for every call that went to ep, also when the
	// picker it was picked by has been replaced since: the newest learns.
	Done(ep *Endpoint, outcome Outcome)
}

// Signals says what a policy wants measured. What nobody wants costs nothing.
type Signals uint

// What a balancer can measure.
const (
	// InFlight: count the calls under way to each endpoint.
	InFlight Signals = 1 << iota
	// Latency: time every call and report it in [Outcome.Latency].
	Latency
)

// Needer is a [Policy] that wants signals.
type Needer interface{ Needs() Signals }

// Env is what a balancer lends to its policy. It lives as long as the
// balancer, across all updates.
type Env struct {
	// Cursor is for policies that go round: it survives updates.
	Cursor atomic.Uint64
	// Rand returns 64 random bits. It is safe for concurrent use.
	Rand func() uint64
	// Now is the time since an arbitrary start, monotonic.
	Now func() time.Duration
}

func newEnv(random func() uint64, now func() time.Duration) *Env {
	if random == nil {
		random = rand.Uint64
	}
	if now == nil {
		base := time.Now()
		now = func() time.Duration { return time.Since(base) }
	}
	return &Env{Rand: random, Now: now}
}

// Call is what a pick may depend on. The zero value, and nil, is a first try
// without a key.
type Call struct {
	// Key is what hashing policies go by.
	Key string
	// Pin is the id of the one endpoint to use while it is there.
	Pin string
	// Tried are the endpoints that this call went to before. They are
	// avoided while another is left.
	Tried []*Endpoint
}

func (c *Call) tried(ep *Endpoint) bool {
	if c == nil {
		return false
	}
	for _, t := range c.Tried {
		if t == ep || t.id == ep.id {
			return true
		}
	}
	return false
}

// Result is how a call ended, as far as the endpoint is to blame.
type Result uint8

// How a call may end.
const (
	// Success: the endpoint answered, even if the answer is that the
	// request was wrong.
	Success Result = iota
	// Failure: the endpoint failed, refused, or did not answer in time.
	Failure
	// Ignored: it tells nothing of the endpoint, such as a caller that
	// went away.
	Ignored
)

// Outcome is how a call ended.
type Outcome struct {
	Result Result
	// Latency is filled in by the balancer where the policy needs it.
	Latency time.Duration
	// Deadline is how long the caller was willing to wait, 0 if not
	// known. A failure may be counted as having taken that long.
	Deadline time.Duration
	// Load is the server's own report of its load, 0 to 1, negative or
	// zero if it sent none.
	Load float64
}
