package lb

import (
	"math"
	"math/bits"
)

// shares returns the endpoints' weights relative to their mean; nil if they
// are all the same, which most policies can make quick work of.
func shares(endpoints []*Endpoint) []float64 {
	first, even := endpoints[0].Weight(), true
	for _, ep := range endpoints {
		if ep.Weight() != first {
			even = false
			break
		}
	}
	if even {
		return nil
	}
	weights, sum := make([]float64, len(endpoints)), 0.0
	for i, ep := range endpoints {
		weights[i] = ep.Weight()
		sum += weights[i]
	}
	mean := sum / float64(len(weights))
	for i := range weights {
		weights[i] /= mean
	}
	return weights
}

// share is the share at i, of shares that may be nil.
func share(shares []float64, i int) float64 {
	if shares == nil {
		return 1
	}
	return shares[i]
}

// alias draws an index by its share in constant time: Walker, "An Efficient
// Method for Generating Discrete Random Variables with General Distributions"
// (1977), built as in Vose, "A Linear Algorithm for Generating Random Numbers
// with a Given Distribution" (1991). Every index has a column of the same
// width, and leaves what it does not need of it to one other index.
type alias []column

type column struct {
	own   uint64 // how much of the column, of 2⁶⁴, is the index's own
	other uint32 // whose the rest is
}

func newAlias(shares []float64) alias {
	a := make(alias, len(shares))
	left := append([]float64(nil), shares...)
	var small, large []uint32
	for i, s := range left {
		a[i] = column{own: math.MaxUint64, other: uint32(i)}
		if s < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a[s] = column{own: uint64(left[s] * (1 << 63) * 2), other: l}
		left[l] -= 1 - left[s]
		if left[l] < 1 {
			large, small = large[:len(large)-1], append(small, l)
		}
	}
	return a
}

// draw turns 64 random bits into an index.
func (a alias) draw(random uint64) uint64 {
	i, height := bits.Mul64(random, uint64(len(a)))
	if c := a[i]; height >= c.own {
		return uint64(c.other)
	}
	return i
}
