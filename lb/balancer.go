package lb

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adsum-go/adsum"
)

// ErrNoEndpoint says that there is nobody to call. The error says why: the
// service is unknown, empty, or none of its copies is callable or reachable.
var ErrNoEndpoint = errors.New("no endpoint to call")

// Options are a balancer's settings. The zero value works.
type Options struct {
	// Protocols are the endpoints' protocols that the transport speaks,
	// best first; an instance that offers none is called at its Addr.
	Protocols []string
	// TrackReachable makes endpoints callable only while
	// [Balancer.SetReachable] says so. Without it all are.
	TrackReachable bool
	// OnChange is called after each new compiled view, one at a time, and
	// must not call back into the balancer's Update or SetReachable.
	OnChange func()
	// Window is for how long changes are gathered before the view is
	// compiled again; 5 ms if zero. The first change after a quiet time
	// is applied at once.
	Window time.Duration
	// Rand is the source of random bits, Now the clock; for simulations.
	Rand func() uint64
	Now  func() time.Duration
}

// Balancer is the engine: it turns snapshots and reachability into a compiled
// view, picks from it, and hands the outcomes to the policy.
//
// All methods are safe for concurrent use. [Balancer.Pick] takes no lock and
// does not allocate.
type Balancer struct {
	policy Policy
	needs  Signals
	opts   Options
	env    *Env
	view   atomic.Pointer[view]

	mu         sync.Mutex
	snapshot   *adsum.Snapshot
	endpoints  []*Endpoint     // all of the snapshot, sorted by id
	reachable  map[string]bool // ids; used with TrackReachable
	timer      *time.Timer     // set while a compilation is due
	compiledAt time.Duration
	closed     bool
}

// view is what picks read: immutable.
type view struct {
	picker    Picker
	observer  Observer // picker, if it learns
	endpoints []*Endpoint
	none      error // why endpoints is empty
}

// New makes a balancer. It knows nobody until the first [Balancer.Update].
func New(policy Policy, opts Options) *Balancer {
	if opts.Window == 0 {
		opts.Window = 5 * time.Millisecond
	}
	b := &Balancer{policy: policy, opts: opts, env: newEnv(opts.Rand, opts.Now), reachable: map[string]bool{}}
	if n, ok := policy.(Needer); ok {
		b.needs = n.Needs()
	}
	b.view.Store(&view{none: fmt.Errorf("%w: nothing is known of the service yet", ErrNoEndpoint)})
	return b
}

// Pick chooses the endpoint for one call; call may be nil. Whoever picks must
// call [Picked.Done] once, however the call ends. It fails with an error
// wrapping [ErrNoEndpoint] when there is nobody to call.
func (b *Balancer) Pick(call *Call) (Picked, error) {
	v := b.view.Load()
	if len(v.endpoints) == 0 {
		return Picked{}, v.none
	}
	var ep *Endpoint
	if call == nil {
		ep = v.picker.Pick(nil)
	} else {
		ep = v.pick(call)
	}
	p := Picked{Endpoint: ep, balancer: b}
	if b.needs != 0 {
		if b.needs&InFlight != 0 {
			ep.inflight.Add(1)
		}
		if b.needs&Latency != 0 {
			p.start = b.env.Now()
		}
	}
	return p, nil
}

// pick honours the pin, and avoids what was tried.
func (v *view) pick(call *Call) *Endpoint {
	if call.Pin != "" {
		if i, ok := search(v.endpoints, call.Pin); ok && !call.tried(v.endpoints[i]) {
			return v.endpoints[i]
		}
	}
	ep := v.picker.Pick(call)
	if !call.tried(ep) {
		return ep
	}
	// The policy has no other idea: take the next one round that is left.
	i, _ := search(v.endpoints, ep.id)
	for n := 1; n < len(v.endpoints); n++ {
		if next := v.endpoints[(i+n)%len(v.endpoints)]; !call.tried(next) {
			return next
		}
	}
	return ep
}

// Picked is one pick, to be finished with its outcome.
type Picked struct {
	Endpoint *Endpoint
	balancer *Balancer
	start    time.Duration
}

// Done reports how the call ended.
func (p Picked) Done(outcome Outcome) {
	b := p.balancer
	if b.needs&InFlight != 0 {
		p.Endpoint.inflight.Add(-1)
	}
	if observer := b.view.Load().observer; observer != nil {
		if b.needs&Latency != 0 {
			outcome.Latency = b.env.Now() - p.start
		}
		observer.Done(p.Endpoint, outcome)
	}
}
