package lb

import "math/bits"

// golden is 2⁶⁴ divided by the golden ratio: an increment and a multiplier that
// spread whatever they are given.
const golden = 0x9e3779b97f4a7c15

// The hash of keys and ids. Its constants and its results are fixed for good:
// two processes, of whatever version, must send a key to the same endpoint.

// hash takes eight bytes at a time, folding 128-bit products, as wyhash (Wang
// Yi, 2019) does. Whoever chooses the keys can make them collide: it spreads
// load and keeps no secrets.
func hash(s string) uint64 {
	h := uint64(len(s)) * golden
	for ; len(s) >= 8; s = s[8:] {
		h = fold(h^word(s), 0xa0761d6478bd642f)
	}
	var rest uint64
	for i := range len(s) {
		rest |= uint64(s[i]) << (8 * i)
	}
	return mix(h ^ fold(rest^golden, 0xe7037ed1a0b428db))
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// mix spreads every bit over all of them: the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
