package lb

import (
	"fmt"
	"math"
)

// BoundedLoad is [RingHash] with a limit: no endpoint gets more than 1.25
// times its share of the calls that are under way from here; what is above
// that goes to the next one on the circle that has room (Mirrokni, Thorup and
// Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018). A key that
// everybody asks for thus spreads over as many endpoints as it takes.
//
// The calls under way are counted in one place, which picks on many cores
// contend for.
var BoundedLoad Policy = boundedLoad{}

type boundedLoad struct{}

func (boundedLoad) Name() string   { return "bounded_load" }
func (boundedLoad) Needs() Signals { return InFlight | TotalInFlight }

func (boundedLoad) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	return &boundedPicker{env, endpoints, env.shares(endpoints), newRing(endpoints)}
}

type boundedPicker struct {
	env       *Env
	endpoints []*Endpoint
	shares    []float64
	ring      ring
}

// loadBound is how much more than the average an endpoint may have to do.
const loadBound = 1.25

func (p *boundedPicker) Pick(call *Call) *Endpoint {
	start := 0
	if call == nil || call.Key == "" {
		start = p.env.index(len(p.ring))
	} else {
		start = p.ring.from(hash(call.Key))
	}
	bound := p.bound()
	avoid := call != nil && len(call.Tried) > 0 && len(call.Tried) < len(p.endpoints)
	for n := range p.ring {
		i := p.ring.at(start + n)
		ep := p.endpoints[i]
		if avoid && call.Avoids(ep) {
			continue
		}
		if float64(ep.inflight.Load()) < math.Ceil(bound*share(p.shares, i)) {
			return ep
		}
	}
	return p.endpoints[p.ring.at(start)]
}

// bound is how many calls an endpoint of the mean weight may have under way.
func (p *boundedPicker) bound() float64 {
	return loadBound * float64(p.env.InFlight()+1) / float64(len(p.endpoints))
}

// Explain tells who has room, on the circle from the key's place on.
func (p *boundedPicker) Explain(call *Call, t *Trace) *Endpoint {
	chosen := p.Pick(call)
	if call == nil || call.Key == "" {
		t.Rule("any on the circle that has room, as the call has no key")
		return chosen
	}
	t.Rule("the first on the circle from the key's place on that has room; the score is how much of the circle lies between")
	p.ring.explain(p.endpoints, hash(call.Key), chosen, t)
	for i, ep := range p.endpoints {
		if _, passed := t.scores[ep]; passed && ep != chosen && !call.Avoids(ep) {
			t.LeaveOut(ep, LeftOut{ReasonLimit, fmt.Sprintf("%d calls under way, room for %.0f", ep.inflight.Load(), math.Ceil(p.bound()*share(p.shares, i)))})
		}
	}
	return chosen
}
