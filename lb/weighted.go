package lb

import (
	"math/bits"
	"math/rand/v2"
)

// Weighted sends each call to an endpoint at random, in proportion to the
// weights. It takes the same few nanoseconds for any number of endpoints, and
// cores do not get into each other's way.
var Weighted Policy = weighted{}

type weighted struct{}

func (weighted) Name() string { return "weighted" }

func (weighted) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	weights := env.weights(endpoints)
	if weights == nil {
		return &randomPicker{env, endpoints}
	}
	if slots, _ := newSlots(weights); slots != nil {
		return &slotsPicker{env, endpoints, slots}
	}
	return &aliasPicker{env, endpoints, newAlias(relative(weights))}
}

type slotsPicker struct {
	env       *Env
	endpoints []*Endpoint
	slots     slots
}

func (p *slotsPicker) Pick(*Call) *Endpoint {
	// Env.Rand, written out because it is too big to be inlined.
	var random uint64
	if p.env.random == nil {
		random = rand.Uint64()
	} else {
		random = p.env.random()
	}
	i, _ := bits.Mul64(random, uint64(len(p.slots)))
	return p.endpoints[p.slots[i]]
}

// Explain tells that nobody was compared.
func (p *slotsPicker) Explain(call *Call, t *Trace) *Endpoint { return explainByWeight(p, call, t) }

type aliasPicker struct {
	env       *Env
	endpoints []*Endpoint
	alias     alias
}

func (p *aliasPicker) Pick(*Call) *Endpoint { return p.endpoints[p.alias.draw(p.env.Rand())] }

// Explain tells that nobody was compared.
func (p *aliasPicker) Explain(call *Call, t *Trace) *Endpoint { return explainByWeight(p, call, t) }

func explainByWeight(p Picker, call *Call, t *Trace) *Endpoint {
	t.Rule("any, at random in proportion to the weights")
	return p.Pick(call)
}
