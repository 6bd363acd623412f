package health

import (
	"time"

	"github.com/adsum-go/adsum"
)

// CheckStats are the numbers of one check.
type CheckStats struct {
	Name   string
	Status adsum.Status
	Since  time.Time // when Status began
	// At is when the check was last asked, and Latency how long that answer
	// took; both are zero before the first one.
	At      time.Time
	Latency time.Duration
	// Runs counts the answers, and Failures those that were not well.
	Runs, Failures uint64
}

// Stats returns the numbers of every check, in the order in which they were
// given to [Start]; [Checker.Report] has the answers themselves.
func (c *Checker) Stats() []CheckStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats := make([]CheckStats, 0, len(c.verdicts))
	for _, v := range c.verdicts {
		stats = append(stats, CheckStats{
			Name: v.check.Name, Status: v.status, Since: v.since,
			At: v.stats.last.Time, Latency: v.stats.last.Latency,
			Runs: v.stats.runs, Failures: v.stats.failures,
		})
	}
	return stats
}

// counts are kept beside the history, which forgets.
type counts struct {
	runs, failures uint64
	last           Result
}

func (c *counts) add(r Result) {
	c.runs++
	if r.Err != nil {
		c.failures++
	}
	c.last = r
}
