package eureka

import (
	"testing"
	"time"
)

func TestTimestampsRiseWhateverTheTimeOfDayDoes(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	c := clock{now: func() time.Time { return now }}
	var last int64
	rises := func(why string, above int64) {
		t.Helper()
		next := c.next(above)
		if next <= last || next <= above {
			t.Errorf("%s: %d after %d and above %d", why, next, last, above)
		}
		last = next
	}
	rises("at first", 0)
	if last != 1_000_000 {
		t.Errorf("the first is %d, want the time of day", last)
	}
	rises("in the same millisecond", 0)
	now = now.Add(-time.Hour)
	rises("an hour earlier", 0)
	rises("above one of a clock that is ahead", 5_000_000)
	now = time.UnixMilli(9_000_000)
	if rises("when the time has caught up", 0); last != 9_000_000 {
		t.Errorf("it is %d, want the time of day", last)
	}
}
