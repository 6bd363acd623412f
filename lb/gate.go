package lb

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrLimited says that a call was not sent because every endpoint has as many
// calls under way as its [Limit] allows, or an open [Circuit]. It comes at once,
// and to try again at once is of no use; no server is to blame.
var ErrLimited = errors.New("no endpoint may be called now")

// LimitedError is an [ErrLimited] with its reason.
type LimitedError struct {
	Service string
	Full    int // endpoints that have as many calls under way as they may
	Open    int // endpoints whose circuit is open
}

// Error says how many endpoints refused, and why.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("%v: of %s's endpoints %d have as many calls under way as they may, and %d an open circuit; the call was not sent",
		ErrLimited, e.Service, e.Full, e.Open)
}

// Is makes it an [ErrLimited].
func (e *LimitedError) Is(target error) bool { return target == ErrLimited }

// guard is what stands before one endpoint, and is kept there.
type guard struct {
	of       guardSettings
	limit    int64     // 0 for none
	gradient *Gradient // nil for a fixed limit
	breaker  *breaker  // nil for none
	calls    atomic.Int64
}

type guardSettings struct {
	Limit
	Circuit
}

// guarded puts a guard before every endpoint. It reports false if there is nothing to
// refuse calls for.
func (r Routing) guarded(endpoints []*Endpoint) bool {
	if !r.Limit.on() && !r.Circuit.on() {
		return false
	}
	of := guardSettings{r.Limit, r.Circuit}
	for _, ep := range endpoints {
		if g := ep.guard.Load(); g == nil || g.of != of {
			ep.guard.Store(&guard{of: of, limit: int64(r.Limit.Max), gradient: r.Limit.gradient(), breaker: newBreaker(r.Circuit)})
		}
	}
	return true
}

// most is how many calls may be under way, 0 for any number.
func (g *guard) most() int64 {
	if g.gradient != nil {
		return int64(g.gradient.Limit())
	}
	return g.limit
}

// enter asks for leave to call. Unless it is refused, leave must follow.
func (g *guard) enter(env *Env) pass {
	p := granted
	if g.breaker != nil {
		if p = g.breaker.enter(env); p == refused {
			return refused
		}
	}
	if n := g.calls.Add(1); g.most() > 0 && n > g.most() {
		g.calls.Add(-1)
		if p == onTrial {
			g.breaker.trials.Add(-1)
		}
		return refused
	}
	return p
}

// leave takes in how a call ended that entered by p.
func (g *guard) leave(p pass, o Outcome, now time.Duration) {
	n := g.calls.Add(-1) + 1
	if g.gradient != nil {
		switch o.Result {
		case Success:
			if o.Latency > 0 {
				g.gradient.Observe(now, o.Latency, n)
			}
		case Failure:
			g.gradient.Refuse(now)
		}
	}
	if g.breaker != nil {
		g.breaker.done(p, o.Result, now)
	}
}

// Limit is how many calls may be under way to the endpoint from here, 0 for any
// number, and how many are; both 0 where nothing limits them.
func (ep *Endpoint) Limit() (most, underWay int) {
	g := ep.guard.Load()
	if g == nil {
		return 0, 0
	}
	return int(g.most()), int(g.calls.Load())
}

// CircuitOpen reports whether the endpoint's circuit is open, be it that some
// calls try it.
func (ep *Endpoint) CircuitOpen() bool {
	g := ep.guard.Load()
	return g != nil && g.breaker != nil && g.breaker.until.Load() != 0
}

// refusal is why no call would get leave now.
func (ep *Endpoint) refusal(now time.Duration) LeftOut {
	g := ep.guard.Load()
	if g == nil {
		return LeftOut{}
	}
	if g.breaker != nil {
		if until := time.Duration(g.breaker.until.Load()); until > now {
			return LeftOut{ReasonCircuit, fmt.Sprintf("open for %v more", (until - now).Round(time.Millisecond))}
		}
	}
	if most, n := g.most(), g.calls.Load(); most > 0 && n >= most {
		return LeftOut{ReasonLimit, fmt.Sprintf("%d calls under way, and %d may be", n, most)}
	}
	return LeftOut{}
}

// enter asks for leave to call ep, or else any other endpoint.
func (b *Balancer) enter(v *view, ep *Endpoint, call *Call) (Picked, error) {
	g := ep.guard.Load()
	p := g.enter(b.env)
	if p == refused {
		ep, g, p = b.elsewhere(v, ep, call)
		if call != nil {
			call.picked.Store(ep)
		}
	}
	if p == refused {
		if call != nil {
			call.lone = true
		}
		return Picked{}, v.limited()
	}
	if call != nil && call.hedge != nil && !call.beside(ep) {
		g.leave(p, Outcome{Result: Ignored}, 0)
		return Picked{}, errNoOther
	}
	picked := b.begin(v.regime, ep)
	picked.guard, picked.pass = g, p
	return picked, nil
}

// elsewhere finds an endpoint that may be called, since ep may not: by asking the
// policy again, or else the next one in turn, those last to which the call was
// sent before.
func (b *Balancer) elsewhere(v *view, ep *Endpoint, call *Call) (*Endpoint, *guard, pass) {
	for range 3 {
		other := v.picker.Pick(call)
		if other == nil || other == ep || call.Avoids(other) {
			continue
		}
		g := other.guard.Load()
		if p := g.enter(b.env); p != refused {
			return other, g, p
		}
	}
	start := max(index(v.endpoints, ep.id), 0)
	for _, tried := range []bool{false, true} {
		for n := range v.endpoints {
			other := v.endpoints[(start+n)%len(v.endpoints)]
			if call.Avoids(other) != tried {
				continue
			}
			g := other.guard.Load()
			if p := g.enter(b.env); p != refused {
				return other, g, p
			}
		}
	}
	return nil, nil, refused
}

// limited explains that nobody may be called.
func (v *view) limited() error {
	e := &LimitedError{Service: v.service}
	for _, ep := range v.endpoints {
		if ep.CircuitOpen() {
			e.Open++
		} else {
			e.Full++
		}
	}
	return e
}
