package lb

import (
	"fmt"
	"time"
)

// Routing is a [Policy] made of a simple one and what decides whom that one may
// choose from. In this order: the filter, the subset, ejection, slow start, the
// zone, the policy among those that are left, and limits and circuits, which may
// refuse the one it chose. The zero value is a good
// default: [PeakEWMA], with ejection.
type Routing struct {
	// Policy is how one of those is chosen who are left; [PeakEWMA] if nil.
	Policy Policy
	// Filter says which instances are called at all.
	Filter Filter
	// Subset limits how many are called from here.
	Subset Subset
	// Zone is where the caller is. Calls stay in it as far as it has the
	// capacity: if its instances have less than their share of the weight,
	// only so much of the calls, and the rest goes to the other zones. The
	// callers are taken to be as many in every zone. If empty, zones do not
	// matter.
	Zone string
	// SlowStart is for how long an endpoint that was not there before gets
	// less than its weight: a tenth at first, and evenly more from there;
	// 10 to 30 s are usual. It needs a policy that honours weights. If
	// zero, everybody gets its full share at once.
	SlowStart time.Duration
	// Ejection says when an endpoint that fails is left alone.
	Ejection Ejection
	// NoEjection turns that off.
	NoEjection bool
	// Limit bounds the calls under way to each endpoint. It passes over those
	// that have as many; when all have, calls fail with [ErrLimited].
	Limit Limit
	// Circuit keeps calls from endpoints that fail many of them, in the same
	// way.
	Circuit Circuit
}

// Name is that of the simple policy.
func (r Routing) Name() string { return r.policy().Name() }

// Needs are the signals of the simple policy, and of the limit.
func (r Routing) Needs() (needs Signals) {
	if n, ok := r.policy().(Needer); ok {
		needs = n.Needs()
	}
	if r.Limit.Adaptive {
		needs |= Latency
	}
	return needs
}

// Select applies the filter and the subset.
func (r Routing) Select(endpoints []*Endpoint) []*Endpoint {
	if !r.Filter.all() {
		endpoints = r.Filter.choose(endpoints)
	}
	return r.Subset.choose(endpoints)
}

// WhyNot says why Select leaves out an endpoint.
func (r Routing) WhyNot(ep *Endpoint) LeftOut {
	if lack := r.Filter.lack(ep.Instance()); lack != "" {
		return LeftOut{ReasonFilter, lack}
	}
	return LeftOut{ReasonSubset, fmt.Sprintf("not among the %d of this client", r.Subset.Size)}
}

// Build applies the rest.
func (r Routing) Build(env *Env, endpoints []*Endpoint, prev Picker) Picker {
	before, ok := prev.(*routingPicker)
	if !ok {
		before = &routingPicker{Picker: prev}
	}
	p := &routingPicker{
		ejector: r.eject(env, before.ejector), slowStart: r.startSlowly(before.slowStart), endpoints: endpoints,
	}
	if p.ejector != nil {
		p.endpoints, p.panicking = p.ejector.narrow(endpoints)
	}
	if p.slowStart != nil {
		p.slowStart.warm(env, p.endpoints)
	}
	if r.Zone == "" {
		p.Picker = r.policy().Build(env, p.endpoints, before.Picker)
	} else {
		p.Picker = newZonePicker(r.policy(), r.Zone, env, p.endpoints, before.Picker)
	}
	p.observer, _ = p.Picker.(Observer)
	p.guarded = r.guarded(endpoints)
	return p
}

// eject takes over from the one before, nil if there was none.
func (r Routing) eject(env *Env, before *ejector) *ejector {
	switch {
	case r.NoEjection:
		return nil
	case before == nil:
		return newEjector(r.Ejection, env)
	case before.Ejection == r.Ejection.withDefaults():
		return before
	default:
		return before.successor(r.Ejection)
	}
}

// startSlowly takes over from the one before, nil if there was none.
func (r Routing) startSlowly(before *slowStart) *slowStart {
	switch {
	case before != nil && before.window == r.SlowStart:
		return before
	case before != nil:
		return before.successor(r.SlowStart)
	case r.SlowStart > 0:
		return &slowStart{window: r.SlowStart}
	default:
		return nil
	}
}

func (r Routing) policy() Policy {
	if r.Policy == nil {
		return PeakEWMA
	}
	return r.Policy
}

// routingPicker is the simple policy's picker with what is around it.
type routingPicker struct {
	Picker
	observer  Observer    // the same, if it learns
	endpoints []*Endpoint // that it picks from
	panicking bool        // they include those who were ejected
	ejector   *ejector    // nil if off
	slowStart *slowStart  // nil if off
	guarded   bool        // the endpoints have guards
}

func (p *routingPicker) Narrowed() []*Endpoint { return p.endpoints }
func (p *routingPicker) Panicking() bool       { return p.panicking }

// Explain lets the simple policy tell.
func (p *routingPicker) Explain(call *Call, t *Trace) *Endpoint { return t.Ask(p.Picker, call) }

// WhyNot says why an endpoint is not among the narrowed ones.
func (p *routingPicker) WhyNot(ep *Endpoint) LeftOut {
	until, away := p.awayUntil(ep)
	if !away {
		return LeftOut{ReasonEjected, "just coming back"}
	}
	return LeftOut{ReasonEjected, fmt.Sprintf("it failed; back in %v", (until - p.ejector.env.Now()).Round(time.Second))}
}

// awayUntil is when an ejected endpoint comes back, and whether it is one.
func (p *routingPicker) awayUntil(ep *Endpoint) (until time.Duration, away bool) {
	if p.ejector == nil {
		return 0, false
	}
	return p.ejector.awayUntil(ep)
}

func (p *routingPicker) Loaded(ep *Endpoint, load Load) {
	if o, ok := p.observer.(LoadObserver); ok {
		o.Loaded(ep, load)
	}
}

func (p *routingPicker) Done(ep *Endpoint, o Outcome) {
	if p.ejector != nil {
		p.ejector.done(ep, o.Result)
	}
	if p.observer != nil {
		p.observer.Done(ep, o)
	}
}
