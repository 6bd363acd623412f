package lb

import (
	"math"
	"math/bits"
)

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

// newAlias takes weights relative to their mean, and keeps the slice.
func newAlias(left []float64) alias {
	a := make(alias, len(left))
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
	c := a[i]
	// A branch would be guessed wrongly every other time.
	other := uint64(c.other)
	_, below := bits.Sub64(height, c.own, 0)
	return other ^ (other^i)&-below
}
