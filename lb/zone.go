package lb

import "math"

// zonePicker keeps calls in the caller's own zone as far as its capacity goes.
type zonePicker struct {
	env       *Env
	zone      string
	near, far Picker // nil if there is nobody
	stays     uint64 // how many of 2⁶⁴ calls stay near

	inside, outside []*Endpoint // those of near and far
}

func newZonePicker(policy Policy, zone string, env *Env, endpoints []*Endpoint, prev Picker) *zonePicker {
	before, ok := prev.(*zonePicker)
	if !ok {
		before = &zonePicker{}
	}
	var near, far []*Endpoint
	for _, ep := range endpoints {
		if ep.Instance().Zone == zone {
			near = append(near, ep)
		} else {
			far = append(far, ep)
		}
	}
	p := &zonePicker{env: env, zone: zone, stays: staying(near, far), inside: near, outside: far}
	if len(near) > 0 {
		p.near = policy.Build(env, near, before.near)
	}
	if len(far) > 0 {
		p.far = policy.Build(env, far, before.far)
	}
	return p
}

// staying is how much of 2⁶⁴ calls the near ones have the capacity for. The
// callers are taken to be as many in each zone: where a zone has less than its
// share of the weight, only so much stays.
func staying(near, far []*Endpoint) uint64 {
	here, total := 0.0, 0.0
	zones := map[string]bool{}
	for _, ep := range near {
		here += ep.Weight()
	}
	for _, ep := range far {
		total += ep.Weight()
		zones[ep.Instance().Zone] = true
	}
	total += here
	stays := here * float64(len(zones)+1) / total
	if stays >= 1 {
		return math.MaxUint64
	}
	return uint64(stays * (1 << 63) * 2)
}

func (p *zonePicker) Pick(call *Call) *Endpoint {
	if p.stay() {
		return p.near.Pick(call)
	}
	return p.far.Pick(call)
}

// stay decides whether a call stays near.
func (p *zonePicker) stay() bool {
	return p.far == nil || p.near != nil && (p.stays == math.MaxUint64 || p.env.Rand() < p.stays)
}

// Explain tells where the call goes, and lets the picker of there tell the rest.
func (p *zonePicker) Explain(call *Call, t *Trace) *Endpoint {
	stay := p.stay()
	t.zone, t.stays, t.spilled = p.zone, float64(p.stays)/(1<<64), !stay
	if stay {
		t.Narrow(p.inside, LeftOut{ReasonZone, "the call stays in the zone " + p.zone})
		return t.Ask(p.near, call)
	}
	t.Narrow(p.outside, LeftOut{ReasonZone, "the call spills over from the zone " + p.zone})
	return t.Ask(p.far, call)
}

// Done lets the picker learn that the endpoint belongs to.
func (p *zonePicker) Done(ep *Endpoint, o Outcome) {
	if observer, ok := p.of(ep).(Observer); ok {
		observer.Done(ep, o)
	}
}

func (p *zonePicker) Loaded(ep *Endpoint, load Load) {
	if observer, ok := p.of(ep).(LoadObserver); ok {
		observer.Loaded(ep, load)
	}
}

// of returns the picker that the endpoint belongs to.
func (p *zonePicker) of(ep *Endpoint) Picker {
	if ep.Instance().Zone == p.zone {
		return p.near
	}
	return p.far
}
