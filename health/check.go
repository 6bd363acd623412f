package health

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// The defaults of a [Check].
const (
	DefaultInterval = 5 * time.Second
	DefaultTimeout  = 2 * time.Second
	DefaultRise     = 1
	DefaultFall     = 3
	DefaultJitter   = 0.1
	DefaultHistory  = 20
)

// Check is one question, how often it is asked, and how many answers turn the
// verdict. Only Probe is needed.
type Check struct {
	// Name tells the checks of one instance apart and appears in the
	// status' reason. It defaults to what the probe calls itself.
	Name string
	// Probe asks.
	Probe Prober
	// Interval lies between the starts of two probes; [DefaultInterval]
	// if zero. Until its first pass a check is asked sooner: after 100 ms,
	// then after twice as long each time up to Interval, so that a program
	// that starts fast is offered fast.
	Interval time.Duration
	// Timeout ends a probe; if zero, [DefaultTimeout] or Interval,
	// whichever is shorter. It cannot be longer than Interval.
	Timeout time.Duration
	// InitialDelay passes before the first probe.
	InitialDelay time.Duration
	// Rise is how many passes in a row end a failure; [DefaultRise] if
	// zero. The very first pass counts at once.
	Rise int
	// Fall is how many failures in a row end health; [DefaultFall] if
	// zero, or 1 where the probe is a [Notifier].
	Fall int
	// Jitter moves every probe by up to this fraction of Interval in
	// either direction, so that copies started together do not ask
	// together; [DefaultJitter] if zero, none if negative, at most 1.
	Jitter float64
	// WarningOnly makes this check's failure a warning: worth showing, no
	// reason to take the instance out.
	WarningOnly bool
	// History is how many results are kept; [DefaultHistory] if zero.
	History int
}

// withDefaults fills in what was left out.
func (c Check) withDefaults() Check {
	fall := DefaultFall
	if _, ok := c.Probe.(Notifier); ok {
		fall = 1
	}
	c.Interval = orDefault(c.Interval, DefaultInterval)
	c.Timeout = orDefault(c.Timeout, min(DefaultTimeout, c.Interval))
	c.Rise = orDefault(c.Rise, DefaultRise)
	c.Fall = orDefault(c.Fall, fall)
	c.Jitter = orDefault(c.Jitter, DefaultJitter)
	c.History = orDefault(c.History, DefaultHistory)
	if s, ok := c.Probe.(fmt.Stringer); ok && c.Name == "" {
		c.Name = s.String()
	}
	if c.Name == "" {
		c.Name = "check"
	}
	return c
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// validate refuses settings that cannot work; defaults are filled in already.
func (c Check) validate() error {
	if c.Probe == nil {
		return invalid("check", c.Name, "it has no probe", "set Probe, for example to health.HTTP{URL: …}")
	}
	if v, ok := c.Probe.(Validator); ok {
		if err := v.Validate(); err != nil {
			return err
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"interval", c.Interval}, {"timeout", c.Timeout}, {"initial delay", c.InitialDelay}} {
		if d.value < 0 {
			return invalid(d.field, d.value.String(), "it is negative", "leave it out for the default")
		}
	}
	if c.Timeout > c.Interval {
		return invalid("timeout", c.Timeout.String(), fmt.Sprintf("it is longer than the interval of %v", c.Interval), "make it shorter, or the interval longer")
	}
	if c.Rise < 0 || c.Fall < 0 {
		return invalid("threshold", fmt.Sprint(min(c.Rise, c.Fall)), "it is negative", "leave it out for the default")
	}
	if c.Jitter > 1 {
		return invalid("jitter", fmt.Sprint(c.Jitter), "it is more than the interval", "give a fraction from 0 to 1")
	}
	if c.History < 0 {
		return invalid("history", fmt.Sprint(c.History), "it is negative", "leave it out for the default")
	}
	return nil
}

// firstRetry is how soon a check that has never passed is asked again.
const firstRetry = 100 * time.Millisecond

// pause is how long to wait between the starts of two probes: n is how many
// there were, and passed whether one of them passed.
func (c Check) pause(n int, passed bool) time.Duration {
	d := c.Interval
	if !passed && n < 30 { // beyond that the shift would overflow
		d = min(d, firstRetry<<max(n-1, 0))
	}
	if c.Jitter > 0 {
		d += time.Duration(float64(d) * c.Jitter * (2*rand.Float64() - 1))
	}
	return d
}

// printable makes an error's text fit for one line of a registry's record:
// valid UTF-8, no control characters, at most limit bytes.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(s), "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit-len("…")], "") + "…"
	}
	return s
}
