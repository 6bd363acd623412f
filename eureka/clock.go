package eureka

import (
	"sync"
	"time"
)

// clock makes the lastDirtyTimestamps by which Eureka orders the versions of
// a record: it accepts one that is older than what it has, and throws it away.
// So they rise strictly, even when the time of day steps back or another
// owner's clock is ahead.
type clock struct {
	now func() time.Time

	mu   sync.Mutex
	last int64 // guarded by mu
}

// next returns milliseconds since 1970, above any that it returned before and
// above the one given.
func (c *clock) next(above int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.now().UnixMilli(), c.last+1, above+1)
	return c.last
}
