package lb

import (
	"math"
	"slices"
	"sort"
)

// RingHash sends the calls of one key ([WithKey]) to the same endpoint: the
// next one on a circle on which every endpoint has 160 points for each unit of
// its weight (Karger et al., "Consistent Hashing and Random Trees", 1997;
// ketama). When an endpoint comes or goes, only keys that it gains or loses
// move. A second try goes to the next endpoint on the circle. Calls without a
// key go anywhere.
//
// Beyond 262 144 points on the circle everybody gets half as many, a quarter
// and so on; for thousands of endpoints, [Maglev] spreads keys more evenly.
var RingHash Policy = ringHash{}

type ringHash struct{}

func (ringHash) Name() string { return "ring_hash" }

func (ringHash) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	return &ringPicker{env, endpoints, newRing(endpoints)}
}

type ringPicker struct {
	env       *Env
	endpoints []*Endpoint
	ring      ring
}

func (p *ringPicker) Pick(call *Call) *Endpoint {
	if call == nil || call.Key == "" {
		return p.endpoints[p.env.index(len(p.endpoints))]
	}
	start := p.ring.from(hash(call.Key))
	if len(call.Tried) < len(p.endpoints) {
		for n := range p.ring {
			if ep := p.endpoints[p.ring.at(start+n)]; !call.Avoids(ep) {
				return ep
			}
		}
	}
	return p.endpoints[p.ring.at(start)]
}

// ring holds the points in their order: 40 bits of where the point is, 24 of
// whose it is.
type ring []uint64

const (
	pointsPerWeight = 160
	mostPoints      = 1 << 18
	ownerBits       = 24
)

func newRing(endpoints []*Endpoint) ring {
	sum := 0.0
	for _, ep := range endpoints {
		sum += ep.Weight()
	}
	perWeight := float64(pointsPerWeight)
	for sum*perWeight > mostPoints {
		perWeight /= 2
	}
	r := make(ring, 0, int(sum*perWeight)+len(endpoints))
	for i, ep := range endpoints {
		seed := hash(ep.id)
		for n := range uint64(max(1, math.Round(ep.Weight()*perWeight))) {
			r = append(r, mix(seed+n*golden)>>ownerBits<<ownerBits|uint64(i))
		}
	}
	slices.Sort(r)
	return r
}

// from returns the number of the first point at or behind h.
func (r ring) from(h uint64) int {
	h = h >> ownerBits << ownerBits
	return sort.Search(len(r), func(i int) bool { return r[i] >= h })
}

// at returns the index of the endpoint whose point that is; numbers start
// again where the circle closes.
func (r ring) at(point int) int {
	return int(r[point%len(r)] & (1<<ownerBits - 1))
}

// Explain tells who stands on the circle from the key's place on, as far as it
// was looked.
func (p *ringPicker) Explain(call *Call, t *Trace) *Endpoint {
	chosen := p.Pick(call)
	if call == nil || call.Key == "" {
		t.Rule("any, as the call has no key")
		return chosen
	}
	t.Rule("the first on the circle from the key's place on; the score is how much of the circle lies between")
	p.ring.explain(p.endpoints, hash(call.Key), chosen, t)
	return chosen
}

// explain scores those on the circle between the hash of a key and the chosen
// one.
func (r ring) explain(endpoints []*Endpoint, key uint64, chosen *Endpoint, t *Trace) {
	start := r.from(key)
	seen := map[*Endpoint]bool{}
	for n := range r {
		ep := endpoints[r.at(start+n)]
		if !seen[ep] {
			seen[ep] = true
			t.Compare(ep, float64(r[(start+n)%len(r)]-key)/(1<<64))
		}
		if ep == chosen {
			return
		}
	}
}
