package lb

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Gradient finds how many calls a server can have under way at once before they
// only wait for each other. It goes by nothing but how long calls take: where
// more of them make each one slower, the limit falls; where they do not, it
// grows (Netflix, concurrency-limits, 2018; Envoy, adaptive concurrency filter,
// 2019). Servers use it to refuse what they could not do in time anyway, clients
// to leave an endpoint alone.
//
// Every tenth of a second, but not before ten calls ended, the limit is
// multiplied by the gradient, Tolerance times the latency of an idle server
// over that of now, at most 1, and its own square root is added. It stays as it
// is while less than half of it is used.
//
// What an idle server takes cannot be seen while it is busy. It is followed
// while the limit is not used, and measured where it has been for a second: the
// limit stays as it is until it is known how long calls take under it, is halved for
// some tenths of a second, and again as long as that makes calls faster by a
// fifth; then it goes on from where it was. This is repeated every half a minute.
// In the first second the limit does not grow: who begins in an overload would let
// it in before there is anything to go by.
//
// The zero value is a good default. A Gradient must not be copied after its
// first use. Its methods are safe for concurrent use, take no time worth
// mentioning and do not allocate.
type Gradient struct {
	// Initial is the limit to begin with; 100 if zero.
	Initial int
	// Min and Max are its bounds; 4 and 10 000 if zero.
	Min, Max int
	// Tolerance is how many times longer than on an idle server calls may
	// take; 2 if zero. Calls that differ much among themselves need more.
	Tolerance float64

	published atomic.Int64 // limit; 0 before the first window
	window    window

	mu      sync.Mutex // of what follows; held by who closes a window
	limit   float64
	began   time.Duration
	idle    float64       // latency of an idle server, in nanoseconds; 0 if not known
	unused  time.Duration // when the limit was not used for the last time
	dip     dip
	nextDip time.Duration
}

// window is what was seen since the last one. Whoever closes it may miss a part
// of a call that ends at this moment: that makes no difference.
type window struct {
	ends           atomic.Int64 // a time.Duration
	needs          atomic.Int64 // calls, unless it takes a second longer to see them
	calls, refused atomic.Int64
	total          atomic.Int64 // of the latencies, in nanoseconds
	most           atomic.Int64 // calls under way
}

// dip is a measurement under way.
type dip struct {
	limit   float64 // while it lasts; 0 if there is none
	before  float64 // latency before the last halving; 0 if there was none
	settled bool    // the calls from before that have ended
}

const (
	gradientWindow  = 100 * time.Millisecond // at least
	gradientCalls   = 10                     // in a window, at least
	gradientSure    = 50                     // the same, where two are compared
	gradientEvery   = 30 * time.Second       // a dip
	gradientPatient = time.Second            // for which the limit is used before a dip, and longer windows last
	gradientSlowly  = 0.3                    // of the way down in one window
	gradientFollows = 0.1                    // of what is new in one window
)

// Limit is how many calls may be under way at once now.
func (g *Gradient) Limit() int {
	if n := g.published.Load(); n > 0 {
		return int(n)
	}
	return int(g.bounded(g.initial()))
}

// Observe learns from a call that ended at now, on a monotonic clock that is
// never negative, after latency, beside inFlight calls (itself among them).
func (g *Gradient) Observe(now, latency time.Duration, inFlight int64) {
	w := &g.window
	w.total.Add(int64(latency))
	for most := w.most.Load(); inFlight > most && !w.most.CompareAndSwap(most, inFlight); {
		most = w.most.Load()
	}
	w.calls.Add(1)
	g.look(now)
}

// Refuse learns of a call that the other side refused because it has too much
// to do, or did not answer in time. The limit falls by their share of all.
func (g *Gradient) Refuse(now time.Duration) {
	g.window.refused.Add(1)
	g.look(now)
}

// look closes the window if it is over.
func (g *Gradient) look(now time.Duration) {
	if !g.window.over(now) || !g.mu.TryLock() {
		return
	}
	defer g.mu.Unlock()
	if g.window.over(now) { // still: another may have closed it meanwhile
		g.close(now)
	}
}

// over reports whether the window has lasted long enough and has seen enough.
func (w *window) over(now time.Duration) bool {
	late := now - time.Duration(w.ends.Load())
	seen := w.calls.Load() + w.refused.Load()
	return late >= 0 && seen >= gradientCalls && (seen >= w.needs.Load() || late >= gradientPatient)
}

// close begins the next window. The caller holds mu.
func (g *Gradient) close(now time.Duration) {
	w := &g.window
	calls, refused := float64(w.calls.Swap(0)), float64(w.refused.Swap(0))
	latency, most := float64(w.total.Swap(0))/max(calls, 1), float64(w.most.Swap(0))
	if g.limit == 0 {
		g.limit, g.began = g.initial(), now
	}
	g.learn(now, latency, most, refused/(calls+refused))
	g.limit = g.bounded(g.limit)
	limit := g.limit
	if g.dip.limit > 0 {
		limit = g.bounded(g.dip.limit)
	}
	g.published.Store(int64(limit))
	w.needs.Store(g.needs())
	w.ends.Store(int64(now + g.next(latency)))
}

// needs is how many calls the next window is to see: more where it is compared
// with another, as the mean of ten is off by a third.
func (g *Gradient) needs() int64 {
	if g.dip.settled {
		return gradientSure
	}
	return gradientCalls
}

// next is how long the next window lasts: about as long as a call, and longer
// where calls that began under another limit are to end.
func (g *Gradient) next(latency float64) time.Duration {
	if g.dip.before > 0 && !g.dip.settled {
		latency = 1.5 * g.dip.before
	} else {
		latency = min(latency, float64(time.Second))
	}
	return max(gradientWindow, time.Duration(latency))
}

// learn takes in a window: the mean latency, the most calls that were under
// way, and which share of them was refused.
func (g *Gradient) learn(now time.Duration, latency, most, refused float64) {
	switch {
	case now-g.began < max(time.Second, time.Duration(3*latency)):
		// The calls that end first are the short ones, and a queue that grows
		// makes every one of them longer than the last.
		g.idle = max(g.idle, latency)
		if refused > 0 {
			g.move(latency, refused)
		}
	case g.dip.limit > 0:
		g.measure(now, latency)
	case most < g.limit/2 && refused == 0:
		g.unused = now
		g.follow(latency)
	default:
		if latency < g.idle {
			g.follow(latency)
		}
		g.move(latency, refused)
		if now-g.unused >= gradientPatient && now >= g.nextDip && latency > 0 {
			g.dip = dip{limit: g.limit}
		}
	}
}

// follow takes in the latency of a server that is not busy. A single window of
// few calls says little.
func (g *Gradient) follow(latency float64) {
	switch {
	case latency == 0: // all were refused
	case g.idle == 0:
		g.idle = latency
	default:
		g.idle += (latency - g.idle) * gradientFollows
	}
}

// move changes the limit by the gradient.
func (g *Gradient) move(latency, refused float64) {
	gradient := 1 - refused
	if latency > 0 && g.idle > 0 {
		gradient = min(gradient, g.tolerance()*g.idle/latency)
	}
	next := g.limit*max(gradient, 0.5) + math.Sqrt(g.limit)
	if next < g.limit {
		next = g.limit + (next-g.limit)*gradientSlowly
	}
	g.limit = next
}

// halve lowers the limit for a measurement.
func (g *Gradient) halve(latency float64) {
	g.dip = dip{limit: g.dip.limit / 2, before: latency}
}

// measure goes on with a dip.
func (g *Gradient) measure(now time.Duration, latency float64) {
	switch {
	case latency == 0: // all were refused
	case !g.dip.settled:
		g.dip.settled = true
	case g.dip.before == 0, latency < 0.8*g.dip.before && g.dip.limit > g.least():
		g.halve(latency)
	default:
		// The last halving did not help: with twice the limit, nearly
		// nothing waited.
		g.idle = min(latency, g.dip.before)
		g.limit = min(g.limit, 2*g.dip.limit*g.tolerance())
		g.dip, g.unused = dip{}, now
		// Not in step with others that began together.
		g.nextDip = now + gradientEvery*3/4 + time.Duration(uint64(now)*golden%uint64(gradientEvery/2))
	}
}

func (g *Gradient) bounded(limit float64) float64 {
	return max(min(limit, orElse(float64(g.Max), 10_000)), g.least())
}

func (g *Gradient) initial() float64   { return orElse(float64(g.Initial), 100) }
func (g *Gradient) least() float64     { return orElse(float64(g.Min), 4) }
func (g *Gradient) tolerance() float64 { return orElse(g.Tolerance, 2) }

// orElse is a setting, or its default.
func orElse(set, otherwise float64) float64 {
	if set > 0 {
		return set
	}
	return otherwise
}
