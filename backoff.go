package adsum

import (
	"context"
	"math/rand/v2"
	"time"
)

// How the supervisors of this package wait between attempts. The cap is what
// bounds how long a registry that is back goes unnoticed; the jitter keeps a
// fleet from coming back in step.
const (
	backoffFirst = 100 * time.Millisecond
	backoffMax   = 5 * time.Second
	attemptLimit = 10 * time.Second // for one call of a driver
)

// backoff yields growing, jittered, capped delays.
type backoff struct{ last time.Duration }

// next returns the delay before the next attempt: at most backoffFirst at
// first, so that a single lost connection costs little, then twice the last
// up to backoffMax, each times 0.8 to 1.2.
func (b *backoff) next() time.Duration {
	if b.last == 0 {
		b.last = backoffFirst
		return rand.N(backoffFirst)
	}
	b.last = min(2*b.last, backoffMax)
	return time.Duration(float64(b.last) * (0.8 + 0.4*rand.Float64()))
}

func (b *backoff) reset() { b.last = 0 }

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
