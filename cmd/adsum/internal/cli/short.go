package cli

import "time"

// short is a duration with about three digits.
func short(d time.Duration) string {
	unit := time.Nanosecond
	for _, step := range []time.Duration{time.Microsecond, time.Millisecond, time.Second} {
		if d >= 100*step {
			unit = step
		} else if d >= step {
			unit = step / 100
		}
	}
	return d.Round(unit).String()
}
