package lb

import "math/bits"

// Random sends each call to an endpoint chosen uniformly.
var Random Policy = random{}

type random struct{}

func (random) Name() string { return "random" }

func (random) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	return &randomPicker{env.Rand, endpoints}
}

type randomPicker struct {
	rand      func() uint64
	endpoints []*Endpoint
}

func (p *randomPicker) Pick(*Call) *Endpoint {
	// Multiply-shift maps 64 random bits onto the range without a division;
	// see Lemire, "Fast Random Integer Generation in an Interval" (2019).
	i, _ := bits.Mul64(p.rand(), uint64(len(p.endpoints)))
	return p.endpoints[i]
}
