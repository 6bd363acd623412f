package lb

import (
	"errors"
	"fmt"
	"time"
)

// Config is all that a client does about whom it calls and about calls that
// fail, as plain data: in code, or in JSON ([ParseConfig]). The zero value is a
// good default for production: [PeakEWMA], with ejection, three tries of what is
// safe to send again, and a budget for that.
//
// A [Live] config gives it to clients, and changes it while they run.
type Config struct {
	// Policy is the name of a policy ([Policies]); "peak_ewma" if empty.
	Policy string
	// Filter, Subset, Zone, SlowStart and Ejection are those of [Routing].
	// A Subset without a Client gets a name at random, once for each [Live].
	Filter    Filter
	Subset    Subset
	Zone      string
	SlowStart time.Duration
	Ejection  Ejection
	// NoEjection turns that off.
	NoEjection bool
	// Limit and Circuit are those of [Routing]. When one of them changes, both
	// learn anew.
	Limit   Limit
	Circuit Circuit
	// Retry says how calls that are safe to send again are tried again.
	Retry RetryConfig
	// Hedge sends slow calls to a second endpoint; off if nil.
	Hedge *HedgeConfig
}

// RetryConfig is a [Retry] as plain data.
type RetryConfig struct {
	Max     int           // tries at most; 3 if zero, 1 for no retry
	Timeout time.Duration // of all tries; if zero, only the caller limits them
	PerTry  time.Duration // of one; all that is left if zero
	Backoff Backoff
	Budget  BudgetConfig
}

// BudgetConfig is a [Budget] as plain data.
type BudgetConfig struct {
	Ratio     float64 // of calls that may be sent again; 0.1 if zero
	PerSecond int     // that may be in any case; 3 if zero, none if negative
}

// HedgeConfig is a [Hedge] as plain data. It spends the budget of the retries.
type HedgeConfig struct {
	Quantile float64 // of calls answered before the second is sent; 0.95 if zero
}

// mostTries is more than anybody should want.
const mostTries = 10

// Validate says all that is wrong with the config, each with its name in JSON and
// what to do about it. It wraps [ErrConfig].
func (c Config) Validate() error {
	var p problems
	if _, err := PolicyOf(c.policy()); err != nil {
		p.add("policy", "%v", err)
	}
	p.check(c.Subset.Size >= 0, "subset.size", "%d is negative; 0 takes all", c.Subset.Size)
	p.duration("slow_start", c.SlowStart)
	c.validateEjection(&p)
	c.validateGuards(&p)
	c.validateRetry(&p)
	if c.Hedge != nil {
		q := c.Hedge.Quantile
		p.check(q == 0 || 0.5 <= q && q < 1, "hedge.quantile", "%v is not from 0.5 to below 1; 0.95 is usual", q)
	}
	return p.err()
}

func (c Config) validateEjection(p *problems) {
	e := c.Ejection
	p.check(e.Consecutive >= 0, "ejection.consecutive", "%d is negative; 5 is usual", e.Consecutive)
	p.duration("ejection.interval", e.Interval)
	p.duration("ejection.time", e.Time)
	p.duration("ejection.max_time", e.MaxTime)
	p.check(e.MaxShare >= 0 && e.MaxShare <= 1, "ejection.max_share", "%v is not from 0 to 1; 0.5 is usual", e.MaxShare)
	if full := e.withDefaults(); full.MaxTime < full.Time {
		p.add("ejection.max_time", "%v is less than ejection.time, %v", full.MaxTime, full.Time)
	}
	p.check(!c.NoEjection || e == Ejection{}, "ejection.off", "ejection is off and set at the same time; leave out one of them")
}

func (c Config) validateGuards(p *problems) {
	l := c.Limit
	p.check(l.Max >= 0, "limit.max", "%d is negative; 0 is any number", l.Max)
	p.check(l.Initial >= 0, "limit.initial", "%d is negative; 100 is usual", l.Initial)
	p.check(l.Min >= 0 && (l.Max == 0 || l.Min <= l.Max), "limit.min", "%d is not from 0 to limit.max", l.Min)
	p.check(l.Tolerance == 0 || l.Tolerance >= 1 && l.Tolerance <= 100, "limit.tolerance", "%v is not from 1 to 100; 2 is usual", l.Tolerance)
	if l.Max = 0; !l.Adaptive && l != (Limit{}) {
		p.add("limit.adaptive", "initial, min and tolerance are for an adaptive limit; write true")
	}
	o := c.Circuit
	p.check(o.Failures >= 0 && o.Failures <= 1, "circuit.failures", "%v is not from 0 to 1; 0.5 is usual", o.Failures)
	p.check(o.Calls >= 0, "circuit.calls", "%d is negative; 20 is usual", o.Calls)
	p.duration("circuit.window", o.Window)
	p.duration("circuit.open", o.Open)
	p.check(o.Trials >= 0, "circuit.trials", "%d is negative; 3 is usual", o.Trials)
	if o.Failures == 0 && o != (Circuit{}) {
		p.add("circuit.failures", "without it the circuit is off, and the rest of no use; write a share such as 0.5")
	}
}

func (c Config) validateRetry(p *problems) {
	r := c.Retry
	p.check(r.Max >= 0 && r.Max <= mostTries, "retry.max", "%d is not from 1 to %d; 1 is no retry", r.Max, mostTries)
	p.duration("retry.timeout", r.Timeout)
	p.duration("retry.per_try", r.PerTry)
	if r.Timeout > 0 && r.PerTry >= r.Timeout {
		p.add("retry.per_try", "%v leaves nothing of retry.timeout, %v, for another try", r.PerTry, r.Timeout)
	}
	b := r.Backoff
	p.duration("retry.backoff.initial", b.Initial)
	p.duration("retry.backoff.max", b.Max)
	p.check(b.Multiplier == 0 || b.Multiplier >= 1 && b.Multiplier <= 100, "retry.backoff.multiplier", "%v is not from 1 to 100; 2 is usual", b.Multiplier)
	if full := b.withDefaults(); full.Max < full.Initial {
		p.add("retry.backoff.max", "%v is less than retry.backoff.initial, %v", full.Max, full.Initial)
	}
	p.check(r.Budget.Ratio >= 0 && r.Budget.Ratio <= 1, "retry.budget.ratio", "%v is not from 0 to 1; 0.1 is usual", r.Budget.Ratio)
	p.check(r.Budget.PerSecond >= -1, "retry.budget.per_second", "%d is less than -1, which is none", r.Budget.PerSecond)
}

func (c Config) policy() string {
	if c.Policy == "" {
		return PeakEWMA.Name()
	}
	return c.Policy
}

// Routing is the policy that the config describes. It fails as Validate does.
func (c Config) Routing() (Routing, error) {
	if err := c.Validate(); err != nil {
		return Routing{}, err
	}
	policy, err := PolicyOf(c.policy())
	return Routing{
		Policy: policy, Filter: c.Filter, Subset: c.Subset, Zone: c.Zone, SlowStart: c.SlowStart,
		Ejection: c.Ejection, NoEjection: c.NoEjection, Limit: c.Limit, Circuit: c.Circuit,
	}, err
}

// ErrConfig says that a [Config] cannot be used.
var ErrConfig = errors.New("bad balancing config")

// problems are what is wrong with a config.
type problems []error

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
}

func (p *problems) check(good bool, field, format string, args ...any) {
	if !good {
		p.add(field, format, args...)
	}
}

func (p *problems) duration(field string, d time.Duration) {
	p.check(d >= 0, field, "%v is negative", d)
}

func (p *problems) err() error {
	if len(*p) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrConfig, errors.Join(*p...))
}
