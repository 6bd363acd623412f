package lb

import (
	"errors"
	"fmt"
	"math"
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
	// OnChange is called after new views were compiled, one call at a time,
	// by the goroutine that brought the change or by one of the balancer's
	// own. It may call any method of the balancer.
	OnChange func()
	// Window is for how long changes are gathered before the view is
	// compiled again; 5 ms if zero, not at all if negative. The first
	// change after a quiet time is applied at once, and so is any while
	// there is nobody to call.
	Window time.Duration
	// Inspector is where the balancer can be looked at until it is closed;
	// its last picks are recorded. If nil, that costs nothing.
	Inspector *Inspector
	// Transport says there who calls, such as "grpc".
	Transport string
	// Probe asks an endpoint for its load and hands the answer to
	// [Balancer.Loaded]. It is called from [Balancer.Pick]: it must not wait.
	// It reports false where it does not ask: because the endpoint does not
	// answer such questions, or there are too many already. Without probes
	// policies do with the loads that come with answers.
	Probe func(*Endpoint) bool
	// Rand is the source of random bits, safe for concurrent use, and Now
	// the monotonic clock; for simulations.
	Rand func() uint64
	Now  func() time.Duration
}

// Balancer is the engine: it turns snapshots and reachability into a compiled
// view, picks from it, and hands the outcomes to the policy.
//
// All methods are safe for concurrent use. [Balancer.Pick] takes no lock and
// does not allocate.
type Balancer struct {
	opts Options
	env  *Env
	view atomic.Pointer[view]

	recorder *recorder // nil if picks are not recorded
	made     time.Time

	mu        sync.Mutex
	regime    *regime
	snapshot  *adsum.Snapshot
	endpoints []*Endpoint // one for each of the snapshot's instances; never modified
	states    []state     // theirs
	weights   []float32   // theirs, as the registry says; never modified
	picker    Picker      // the last one built

	timer      *time.Timer // set while a compilation is due
	compiledAt time.Duration
	closed     bool

	notifying, changedAgain bool // of OnChange
}

// regime is a policy in office, with what it wants measured: immutable. A call
// ends under the one that it began under.
type regime struct {
	balancer *Balancer
	policy   Policy
	needs    Signals
}

func (b *Balancer) newRegime(policy Policy) *regime {
	r := &regime{balancer: b, policy: policy}
	if n, ok := policy.(Needer); ok {
		r.needs = n.Needs()
	}
	return r
}

// view is what picks read: immutable.
type view struct {
	*regime
	service   string
	picker    Picker
	observer  Observer    // the last picker, if it learns
	observed  bool        // whether outcomes matter to anybody
	callable  []*Endpoint // that the policy was built for
	endpoints []*Endpoint // that it picks from
	guarded   bool        // the endpoints have guards, which may refuse
	none      error       // why endpoints is empty

	recorder   *recorder // nil if picks are not recorded
	field      *field    // else who could be picked
	unrecorded *view     // and the view for those that are not
}

// New makes a balancer. It knows nobody until the first [Balancer.Update].
func New(policy Policy, opts Options) *Balancer {
	if opts.Window == 0 {
		opts.Window = 5 * time.Millisecond
	}
	b := &Balancer{opts: opts, env: newEnv(opts)}
	b.env.rebuild = b.rebuild
	b.regime = b.newRegime(policy)
	b.made = time.Now()
	if opts.Inspector != nil {
		b.recorder = opts.Inspector.recorder()
	}
	b.publish(&view{regime: b.regime, none: b.whyNone()})
	if opts.Inspector != nil {
		opts.Inspector.add(b)
	}
	return b
}

// Pick chooses the endpoint for one call; call may be nil. Whoever picks must
// call [Picked.Done] once, however the call ends. It fails with an error
// wrapping [ErrNoEndpoint] when there is nobody to call, and with [ErrLimited]
// when nobody may be called now.
func (b *Balancer) Pick(call *Call) (Picked, error) { return b.pickFrom(b.view.Load(), call) }

func (b *Balancer) pickFrom(v *view, call *Call) (Picked, error) {
	if v.recorder != nil {
		return b.pickRecorded(v, call)
	}
	if len(v.endpoints) == 0 {
		return Picked{}, v.none
	}
	var ep *Endpoint
	if call == nil {
		ep = v.picker.Pick(nil)
	} else {
		ep = v.pick(call)
	}
	if ep == nil {
		return Picked{}, b.declined(v)
	}
	if v.guarded {
		return b.enter(v, ep, call)
	}
	if call != nil && call.hedge != nil && !call.beside(ep) {
		return Picked{}, errNoOther
	}
	if !v.observed {
		return Picked{Endpoint: ep}, nil
	}
	return b.begin(v.regime, ep), nil
}

func (b *Balancer) begin(r *regime, ep *Endpoint) Picked {
	p := Picked{Endpoint: ep, regime: r, start: untimed}
	if r.needs&InFlight != 0 {
		ep.inflight.Add(1)
	}
	if r.needs&(Latency|Loads) != 0 || r.needs&SomeLatencies != 0 && !b.env.spare() {
		p.start = b.env.Now()
		b.env.saw(p.start)
	}
	if r.needs&TotalInFlight != 0 {
		b.env.inflight.Add(1)
	}
	if r.needs&Loads != 0 {
		ep.reported.since.Add(1)
	}
	return p
}

func (b *Balancer) declined(v *view) error {
	return fmt.Errorf("%w: the policy %s will have none of %s's %d callable instances called now",
		ErrNoEndpoint, v.policy.Name(), v.service, len(v.endpoints))
}

// pick honours the call's pin and what it tried before.
func (v *view) pick(call *Call) *Endpoint {
	if call.pin == nil {
		ep := v.avoiding(call)
		call.picked.Store(ep)
		return ep
	}
	pinned := call.pin.get(v.service)
	if ep := find(v.endpoints, pinned); ep != nil && !call.Avoids(ep) {
		call.picked.Store(ep)
		return ep
	}
	ep := v.avoiding(call)
	if ep != nil {
		call.pin.move(v.service, pinned, ep.id)
	}
	call.picked.Store(ep)
	return ep
}

// avoiding asks the policy, and asks again when it names an endpoint that was
// tried. The next one in turn is taken only when the policy has no other idea,
// for it would get all the second tries of the one before it.
func (v *view) avoiding(call *Call) *Endpoint {
	ep := v.picker.Pick(call)
	for range 3 {
		if ep == nil || !call.Avoids(ep) {
			return ep
		}
		ep = v.picker.Pick(call)
	}
	start := 0
	for i, e := range v.endpoints {
		if e == ep {
			start = i
		}
	}
	for n := range v.endpoints {
		if next := v.endpoints[(start+n)%len(v.endpoints)]; !call.Avoids(next) {
			return next
		}
	}
	return ep
}

// Picked is one pick, to be finished with its outcome.
type Picked struct {
	Endpoint *Endpoint
	regime   *regime // nil when nobody wants the outcome
	start    time.Duration
	guard    *guard // nil where nothing limits calls
	pass     pass
}

// untimed is the start of a call that is not timed.
const untimed = time.Duration(math.MinInt64)

// WantsLoad reports whether the policy goes by what servers tell of their load. If
// not, a transport may save itself the trouble of finding out.
func (p Picked) WantsLoad() bool { return p.regime != nil && p.regime.needs&Loads != 0 }

// Done reports how the call ended.
func (p Picked) Done(outcome Outcome) {
	if p.regime != nil {
		p.regime.balancer.end(p, outcome)
	}
}

func (b *Balancer) end(p Picked, outcome Outcome) {
	needs := p.regime.needs
	if needs&InFlight != 0 {
		p.Endpoint.inflight.Add(-1)
	}
	if needs&TotalInFlight != 0 {
		b.env.inflight.Add(-1)
	}
	if p.start != untimed {
		// A call may end long after the answer, so that its start and its
		// latency do not tell the time.
		now := b.env.Now()
		b.env.saw(now)
		if outcome.Latency == 0 {
			outcome.Latency = max(now-p.start, 1)
		}
	}
	outcome.Latency = max(outcome.Latency, 0)
	if outcome.Result == Failure && outcome.Deadline < 0 {
		outcome.Result = Ignored // its time was over before it was sent
	}
	if v := b.view.Load(); v.observer != nil {
		v.learn(p, outcome)
	}
	if p.guard != nil {
		p.guard.leave(p.pass, outcome, b.env.Now())
	}
}

// learn tells the policy of now how a call ended.
func (v *view) learn(p Picked, outcome Outcome) {
	if p.start == untimed && outcome.Latency == 0 && v.needs&(Latency|Loads) != 0 {
		outcome.Result = Ignored // it began under a policy that wanted no times
	}
	if outcome.Load.Known && v.needs&Loads != 0 {
		v.balancer.loaded(p.Endpoint, outcome.Load)
	}
	v.observer.Done(p.Endpoint, outcome)
}

// Loaded tells the policy what an endpoint said of itself when it was probed; see
// [Options.Probe]. What came with an answer, [Picked.Done] tells.
func (b *Balancer) Loaded(ep *Endpoint, load Load) {
	if load.Known && b.view.Load().needs&Loads != 0 {
		b.env.saw(b.env.Now())
		b.loaded(ep, load)
	}
}

func (b *Balancer) loaded(ep *Endpoint, load Load) {
	ep.reported.learn(load, b.env.lately())
	if o, ok := b.view.Load().observer.(LoadObserver); ok {
		o.Loaded(ep, load)
	}
}
