package lb

import "math"

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
	return &boundedPicker{env, endpoints, shares(endpoints), newRing(endpoints)}
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
	bound := loadBound * float64(p.env.InFlight()+1) / float64(len(p.endpoints))
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
