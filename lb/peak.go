package lb

import (
	"math"
	"sync/atomic"
	"time"
)

// tick is the unit that peaks count time in: about a millisecond, so that 32
// bits last for 52 days.
type tick uint32

const tickBits = 20 // a tick is 2²⁰ ns

func tickOf(t time.Duration) tick { return tick(t >> tickBits) }

// memory is after how many ticks what was learned counts half: 3 s. It counts a
// tenth after 25 s, and next to nothing after three minutes. An exponential average
// that remembers for 25 s what was ten times as slow remembers what was twice as
// slow for nine, and leaves too much to the others meanwhile.
const memory = float64(3*time.Second) / (1 << tickBits)

// slack is by how many ticks something may have been learned after the present
// was looked at: far more than ever happens. What seems to lie further ahead was
// learned weeks ago.
const slack = 1 << 16

// fading is how much of what was learned so many ticks ago still counts.
func fading(elapsed uint32) float64 {
	if -elapsed < slack { // just now, or a little later
		return 1
	}
	x := float64(elapsed) * (1 / memory)
	// The cube begins to count after half a minute. Without it, what was a
	// hundred times as slow would be left alone for five.
	return 1 / (1 + x + x*x*x/1000)
}

// peak is a peak-sensitive moving average of latencies (Finagle's PeakEwma,
// 2014; Linkerd): a higher one than the average takes its place at once, lower
// ones bring it down slowly. One word holds the average (a float32, in
// nanoseconds) and the tick when it was true, so that a reader never sees one
// without the other. 0 is an average of nothing.
type peak struct{ word atomic.Uint64 }

func packed(average float64, at tick) uint64 {
	return uint64(math.Float32bits(float32(average)))<<32 | uint64(at)
}

func unpacked(word uint64) (average float64, at tick) {
	return float64(math.Float32frombits(uint32(word >> 32))), tick(word)
}

// at returns the average as it is now, 0 if there was no latency yet. It fades
// while there is none to learn from, so that an endpoint that was slow once is
// tried again.
func (p *peak) at(now tick) float64 {
	average, then := unpacked(p.word.Load())
	return average * fading(uint32(now-then))
}

// learn takes in one latency.
func (p *peak) learn(latency time.Duration, now tick) {
	sample := float64(max(latency, 1))
	for {
		word := p.word.Load()
		average, then := unpacked(word)
		if sample < average {
			keep := fading(uint32(now - then))
			if keep == 1 {
				return
			}
			sample = average*keep + sample*(1-keep)
		}
		if p.word.CompareAndSwap(word, packed(sample, now)) {
			return
		}
		sample = float64(max(latency, 1))
	}
}
