package lb

import (
	"math/rand/v2"
	"sync/atomic"
	"unsafe"
)

// generator is a source of random bits for concurrent use, without secrets to
// keep: SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
// Generators", 2014), whose whole state is a counter, in stripes so that cores
// seldom meet. The runtime's generator takes twice as long, and is most of what
// a random pick costs.
type generator [16]stripe

// stripe has a cache line to itself.
type stripe struct {
	atomic.Uint64
	_ [56]byte
}

// golden is 2⁶⁴ divided by the golden ratio: an increment and a multiplier that
// spread whatever they are given.
const golden = 0x9e3779b97f4a7c15

func (g *generator) seed() {
	for i := range g {
		g[i].Store(rand.Uint64())
	}
}

// next returns 64 random bits. Goroutines find their stripe by where their
// stack lies, the one thing about them that differs and costs nothing to ask;
// which stripe that is has no influence on the quality of the bits.
func (g *generator) next() uint64 {
	var here byte
	x := g[uint64(uintptr(unsafe.Pointer(&here)))>>11*golden>>60].Add(golden)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
