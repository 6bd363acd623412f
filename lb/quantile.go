package lb

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// recent counts the latencies of the last ten to twenty seconds in buckets that
// are a sixteenth as wide as their values, as HdrHistogram does.
type recent struct {
	windows [2][60 * 16]atomic.Uint32
	window  atomic.Int64 // the number of the current one, since 1970

	mu sync.Mutex // of the change to the next one
}

const recentWindow = int64(10 * time.Second)

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 16))
	exponent := bits.Len64(v) - 5 // of the four bits behind the highest
	return min(exponent*16+int(v>>exponent)-16, 60*16-1)
}

// bucketEnd is the lowest latency above the bucket.
func bucketEnd(bucket int) time.Duration {
	return time.Duration(bucket%16+17) << (bucket / 16)
}

func (r *recent) add(d time.Duration, now time.Time) {
	n := now.UnixNano() / recentWindow
	// Who looked at the clock just before the others began the next window
	// still counts in the last one.
	if last := r.window.Load(); n != last && n != last-1 {
		r.turn(n)
	}
	r.windows[n&1][bucketOf(d)].Add(1)
}

// turn begins the window of that number.
func (r *recent) turn(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.window.Load()
	if n == last || n == last-1 {
		return
	}
	clear := func(counts *[60 * 16]atomic.Uint32) {
		for i := range counts {
			counts[i].Store(0)
		}
	}
	clear(&r.windows[n&1])
	if last != n-1 {
		clear(&r.windows[(n+1)&1])
	}
	r.window.Store(n)
}

// quantile returns the latency that the share q of them does not exceed, and
// how many there were.
func (r *recent) quantile(q float64) (d time.Duration, n uint64) {
	var counts [60 * 16]uint64
	for i := range counts {
		counts[i] = uint64(r.windows[0][i].Load()) + uint64(r.windows[1][i].Load())
		n += counts[i]
	}
	below := uint64(0)
	for i, c := range counts {
		if below += c; c > 0 && float64(below) >= q*float64(n) {
			return bucketEnd(i), n
		}
	}
	return 0, n
}
