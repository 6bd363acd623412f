package lb

import (
	"math/bits"
	"math/rand/v2"
)

// Random sends each call to an endpoint chosen uniformly.
var Random Policy = random{}

type random struct{}

func (random) Name() string { return "random" }

func (random) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	return &randomPicker{env, endpoints}
}

type randomPicker struct {
	env       *Env
	endpoints []*Endpoint
}

func (p *randomPicker) Pick(*Call) *Endpoint {
	// Env.Rand, written out because it is too big to be inlined.
	var random uint64
	if p.env.random == nil {
		random = rand.Uint64()
	} else {
		random = p.env.random()
	}
	// Multiply-shift maps 64 random bits onto the range without a division;
	// see Lemire, "Fast Random Integer Generation in an Interval" (2019).
	i, _ := bits.Mul64(random, uint64(len(p.endpoints)))
	return p.endpoints[i]
}

// Explain tells that nobody was compared.
func (p *randomPicker) Explain(call *Call, t *Trace) *Endpoint {
	t.Rule("any, at random")
	return p.Pick(call)
}
