package lb

import "math"

// slots repeat every index as often as its weight says, so that one random
// number, and one place to look at, are enough to draw by weight.
type slots []uint16

const (
	slotsEach     = 8 // at most, on average
	slotsAtOnce   = 4 // see fill
	largestWeight = 1 << 16
)

// newSlots returns the slots and the weights' mean; nil if the weights are such
// that it takes more slots than there should be.
func newSlots(weights []float32) (s slots, mean float64) {
	if len(weights) > math.MaxUint16+1 {
		return nil, 0
	}
	unit, sum := measure(weights)
	if unit == 0 || sum > slotsEach*float64(unit)*float64(len(weights)) {
		return nil, 0
	}
	return fill(weights, unit, int(sum)/unit), sum / float64(len(weights))
}

// measure returns the greatest common divisor of weights, and their sum; 0 if
// there is none because they are not whole numbers, as those of endpoints that
// start slowly, or larger than any registry's.
func measure(weights []float32) (unit int, sum float64) {
	var small [256]int // how many weights there are of each; most are small
	for _, w := range weights {
		whole := int(min(w, largestWeight))
		if float32(whole) != w {
			return 0, 0
		}
		if whole < len(small) {
			small[whole]++
			continue
		}
		unit = divisor(unit, whole)
		sum += float64(w)
	}
	for w, n := range small {
		if n > 0 {
			unit = divisor(unit, w)
			sum += float64(n * w)
		}
	}
	return unit, sum
}

func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// fill makes n slots. It writes some more than a weight of one needs, which the
// next index writes over: the processor need not guess where a loop ends.
func fill(weights []float32, unit, n int) slots {
	s := make(slots, n+slotsAtOnce)
	at, perUnit := 0, 1/float64(unit)
	for i, w := range weights {
		next := s[at:]
		four := next[:slotsAtOnce]
		four[0], four[1], four[2], four[3] = uint16(i), uint16(i), uint16(i), uint16(i)
		count := int(float64(w)*perUnit + 0.5)
		for k := slotsAtOnce; k < count; k++ {
			next[k] = uint16(i)
		}
		at += count
	}
	return s[:n:n]
}
