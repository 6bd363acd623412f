package lb

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Ejection says when an endpoint that fails is left alone for a while, whatever
// the registry says of it (Envoy's outlier detection). It goes
//   - after several failures without a success in between;
//   - with a success rate below the mean of all by 1.9 standard deviations,
//     where there are five endpoints or more with 100 calls each in the
//     interval, and it failed five times at least;
//   - with 85 % failures, of 50 calls or more in the interval.
//
// For each time that it had to go it stays away for Time longer, and each
// interval that it behaves makes up for one. When less than half of the
// endpoints would be left, which happens when the others leave, all of them are
// called again, since a few that are well would not bear the load:
// [Balancer.Panicking] tells. The zero value is a good default.
type Ejection struct {
	// Consecutive is how many failures there may be in a row; 5 if zero.
	Consecutive int
	// Interval is how often rates are judged; 10 s if zero.
	Interval time.Duration
	// Time is for how long an endpoint goes at first, and for how much
	// longer each time; 30 s if zero, within 10 % at random.
	Time time.Duration
	// MaxTime is the longest that it goes; 300 s if zero.
	MaxTime time.Duration
	// MaxShare is how many of the endpoints may be away at a time; 0.5 if
	// zero.
	MaxShare float64
}

// What an endpoint is judged by in an interval.
const (
	rateEndpoints  = 5
	rateCalls      = 100
	rateDeviations = 1.9
	rateFailures   = 5
	failureCalls   = 50
	failureShare   = 0.85
	leastHealthy   = 0.5 // else panic
)

func (e Ejection) withDefaults() Ejection {
	if e.Consecutive == 0 {
		e.Consecutive = 5
	}
	if e.Interval == 0 {
		e.Interval = 10 * time.Second
	}
	if e.Time == 0 {
		e.Time = 30 * time.Second
	}
	if e.MaxTime == 0 {
		e.MaxTime = 300 * time.Second
	}
	if e.MaxShare == 0 {
		e.MaxShare = 0.5
	}
	return e
}

// health is what an endpoint is judged by.
type health struct {
	inARow          atomic.Int32 // failures since the last success
	calls, failures atomic.Int32 // in this interval
}

// ejector ejects endpoints of one balancer. While all is well, a call costs it
// an addition.
type ejector struct {
	Ejection
	env    *Env
	active atomic.Bool // somebody calls, so that there is something to judge

	mu        sync.Mutex
	endpoints []*Endpoint           // all that may be called, sorted by id
	offences  map[*Endpoint]offence // of those who were ejected lately
	away      int                   // of endpoints
	ejections uint64                // ever
}

type offence struct {
	count int
	away  bool
	until time.Duration // if away
}

func newEjector(e Ejection, env *Env) *ejector {
	return &ejector{Ejection: e.withDefaults(), env: env, offences: map[*Endpoint]offence{}}
}

// successor goes on with other settings: who is away stays away for as long as it
// was told.
func (e *ejector) successor(settings Ejection) *ejector {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := newEjector(settings, e.env)
	next.endpoints, next.away, next.ejections = e.endpoints, e.away, e.ejections
	for ep, o := range e.offences {
		next.offences[ep] = o
		if o.away {
			e.env.After(max(o.until-e.env.Now(), 0), func() { next.forgive(ep) })
		}
	}
	return next
}

// narrow returns those of the endpoints that are not ejected; all, and that this
// is a panic, if they are too few.
func (e *ejector) narrow(endpoints []*Endpoint) (left []*Endpoint, panicking bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endpoints, e.away = endpoints, 0
	if len(e.offences) == 0 {
		return endpoints, false
	}
	left = make([]*Endpoint, 0, len(endpoints))
	for _, ep := range endpoints {
		if !e.offences[ep].away {
			left = append(left, ep)
		}
	}
	e.away = len(endpoints) - len(left)
	if float64(len(left)) < leastHealthy*float64(len(endpoints)) {
		return endpoints, true
	}
	return left, false
}

func (e *ejector) done(ep *Endpoint, result Result) {
	if result == Ignored || result == Overtaken {
		return
	}
	ep.health.calls.Add(1)
	if !e.active.Load() && e.active.CompareAndSwap(false, true) {
		e.env.After(e.Interval, e.judge)
	}
	if result == Success {
		if ep.health.inARow.Load() != 0 {
			ep.health.inARow.Store(0)
		}
		return
	}
	ep.health.failures.Add(1)
	// More than allowed there are after a change of what is.
	if int(ep.health.inARow.Add(1)) >= e.Consecutive {
		ep.health.inARow.Store(0)
		e.mu.Lock()
		e.eject(ep)
		e.mu.Unlock()
	}
}

// eject lets ep go, if others may still be called. The caller holds mu.
func (e *ejector) eject(ep *Endpoint) {
	o := e.offences[ep]
	if o.away || float64(e.away+1) > e.MaxShare*float64(len(e.endpoints)) {
		return
	}
	o.count++
	o.away = true
	jitter := 0.9 + 0.2*float64(e.env.Rand()>>11)/(1<<53)
	away := e.MaxTime
	if longer := float64(e.Time) * float64(o.count) * jitter; longer < float64(away) {
		away = time.Duration(longer)
	}
	o.until = later(e.env.Now(), away)
	e.offences[ep] = o
	e.away++
	e.ejections++
	e.env.After(away, func() { e.forgive(ep) })
	e.env.Rebuild()
}

// awayUntil is when ep comes back, and whether it is away.
func (e *ejector) awayUntil(ep *Endpoint) (until time.Duration, away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o := e.offences[ep]
	return o.until, o.away
}

// forgive lets ep be called again.
func (e *ejector) forgive(ep *Endpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o := e.offences[ep]
	o.away = false
	e.offences[ep] = o
	ep.health.inARow.Store(0)
	e.env.Rebuild()
}

// judge looks at what endpoints did in the interval that is over. It is called
// again as long as somebody calls them.
func (e *ejector) judge() {
	e.active.Store(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	judged := make([]record, 0, len(e.endpoints))
	for _, ep := range e.endpoints {
		r := record{ep, float64(ep.health.calls.Swap(0)), float64(ep.health.failures.Swap(0))}
		if r.calls > 0 {
			judged = append(judged, r)
		}
	}
	threshold := successThreshold(judged)
	for _, r := range judged {
		if r.calls >= failureCalls && r.failures >= failureShare*r.calls ||
			r.calls >= rateCalls && r.failures >= rateFailures && r.success() < threshold {
			e.eject(r.ep)
		}
	}
	for ep, o := range e.offences {
		if o.away {
			continue
		}
		if o.count--; o.count > 0 {
			e.offences[ep] = o
		} else {
			delete(e.offences, ep)
		}
	}
}

// record is what an endpoint did in an interval.
type record struct {
	ep              *Endpoint
	calls, failures float64
}

func (r record) success() float64 { return 1 - r.failures/r.calls }

// successThreshold is the success rate below which an endpoint stands out.
func successThreshold(records []record) float64 {
	n, sum, squares := 0.0, 0.0, 0.0
	for _, r := range records {
		if r.calls >= rateCalls {
			n++
			sum += r.success()
			squares += r.success() * r.success()
		}
	}
	if n < rateEndpoints {
		return 0
	}
	mean := sum / n
	return mean - rateDeviations*math.Sqrt(max(squares/n-mean*mean, 0))
}
