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
	shares := shares(endpoints)
	if shares == nil {
		return &randomPicker{env, endpoints}
	}
	return &weightedPicker{env, endpoints, newAlias(shares)}
}

type weightedPicker struct {
	env       *Env
	endpoints []*Endpoint
	alias     alias
}

func (p *weightedPicker) Pick(*Call) *Endpoint {
	// Env.Rand and alias.draw, written out because they are too big to be
	// inlined.
	var random uint64
	if p.env.random == nil {
		random = rand.Uint64()
	} else {
		random = p.env.random()
	}
	i, height := bits.Mul64(random, uint64(len(p.alias)))
	if c := &p.alias[i]; height >= c.own {
		i = uint64(c.other)
	}
	return p.endpoints[i]
}

// Explain tells that nobody was compared.
func (p *weightedPicker) Explain(call *Call, t *Trace) *Endpoint {
	t.Rule("any, at random in proportion to the weights")
	return p.Pick(call)
}
