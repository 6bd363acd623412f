package bench_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkYardstick is what every pick is made of, by itself: so much of a figure
// is the machine's.
func BenchmarkYardstick(b *testing.B) {
	b.Run("atomic_add", func(b *testing.B) {
		var counter atomic.Uint64
		for b.Loop() {
			counter.Add(1)
		}
	})
	b.Run("random_number", func(b *testing.B) {
		for b.Loop() {
			rand.Uint64()
		}
	})
	b.Run("clock", func(b *testing.B) {
		began := time.Now()
		for b.Loop() {
			time.Since(began)
		}
	})
}
