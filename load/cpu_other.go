//go:build !unix && !windows

package load

import "time"

// cpuTime is not known here: the report says nothing of the processor.
func cpuTime() time.Duration { return 0 }
