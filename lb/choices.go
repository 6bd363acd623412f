package lb

import "math/bits"

// choices draws the two endpoints that a policy compares: "the power of two
// choices" (Mitzenmacher, 2001), which comes close to looking at all of them,
// and does not send everybody to the same best one.
type choices struct {
	env       *Env
	endpoints []*Endpoint
	shares    []float64 // nil if even
	alias     alias     // nil if even
}

func newChoices(env *Env, endpoints []*Endpoint) choices {
	c := choices{env: env, endpoints: endpoints, shares: shares(endpoints)}
	if c.shares != nil {
		c.alias = newAlias(c.shares)
	}
	return c
}

// two returns two different indices: the first drawn by weight, the second
// evenly from the rest. A policy that prefers the first among equals thus
// follows the weights while there is nothing to tell its endpoints apart.
// There must be at least two endpoints.
func (c *choices) two() (i, j uint64) {
	random := c.env.Rand()
	if c.alias == nil {
		// The low half of the product is as random as the whole was.
		i, random = bits.Mul64(random, uint64(len(c.endpoints)))
	} else {
		i = c.alias.draw(random)
		random = c.env.Rand()
	}
	j, _ = bits.Mul64(random, uint64(len(c.endpoints)-1))
	if j >= i {
		j++
	}
	return i, j
}
