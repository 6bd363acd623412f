package lb

import (
	"math"
	"math/bits"
)

// choices draws the two endpoints that a policy compares: "the power of two
// choices" (Mitzenmacher, 2001), which comes close to looking at all of them,
// and does not send everybody to the same best one.
type choices struct {
	env       *Env
	endpoints []*Endpoint
	even      bool    // all weigh the same
	slots     slots   // nil if even
	alias     alias   // where there are no slots either
	mean      float64 // of the weights, unless even
}

func newChoices(env *Env, endpoints []*Endpoint) choices {
	c := choices{env: env, endpoints: endpoints}
	weights := env.weights(endpoints)
	if weights == nil {
		c.even = true
		return c
	}
	if c.slots, c.mean = newSlots(weights); c.slots == nil {
		c.alias, c.mean = newAlias(relative(weights)), meanOf(weights)
	}
	return c
}

// two returns two different endpoints: the first drawn by weight, the second
// evenly from the rest. A policy that prefers the first among equals thus
// follows the weights while there is nothing to tell its endpoints apart.
// There must be at least two endpoints.
func (c *choices) two() (a, b *Endpoint) {
	random := c.env.Rand()
	var i, j uint64
	switch {
	// The low half of the product is as random as the whole was.
	case c.even:
		i, random = bits.Mul64(random, uint64(len(c.endpoints)))
	case c.slots != nil:
		i, random = bits.Mul64(random, uint64(len(c.slots)))
		i = uint64(c.slots[i])
	default:
		i = c.alias.draw(random)
		random = c.env.Rand()
	}
	// The last one stands in for the first choice, which is seldom, and so
	// cheaper than to move up all behind it.
	last := uint64(len(c.endpoints) - 1)
	if j, _ = bits.Mul64(random, last); j == i {
		j = last
	}
	return c.endpoints[i], c.endpoints[j]
}

// share is the endpoint's weight relative to the mean.
func (c *choices) share(ep *Endpoint) float64 {
	if c.even {
		return 1
	}
	return float64(math.Float32frombits(ep.weight.Load())) / c.mean
}
