package lb

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// PeakEWMA draws two endpoints and takes the one that promises the earlier
// answer: its recent latency, times the calls under way from here that are
// before this one. The latency is a moving average over ten seconds that jumps
// to every peak at once (Finagle, "Beyond Round Robin", 2016; Linkerd). When
// even the better one is far slower than usual, two more are drawn.
//
// A failure counts as having taken as long as its caller was willing to wait;
// a second where that is not known. Otherwise an endpoint that fails at once
// would look like the fastest, and draw all the traffic.
//
// A new endpoint starts as fast as the median of the others.
var PeakEWMA Policy = peakEWMA{}

type peakEWMA struct{}

func (peakEWMA) Name() string   { return "peak_ewma" }
func (peakEWMA) Needs() Signals { return InFlight | Latency }

func (peakEWMA) Build(env *Env, endpoints []*Endpoint, prev Picker) Picker {
	before, _ := prev.(*peakPicker)
	return newPeakPicker(env, endpoints, before)
}

func newPeakPicker(env *Env, endpoints []*Endpoint, before *peakPicker) *peakPicker {
	p := &peakPicker{choices: newChoices(env, endpoints)}
	if before != nil {
		p.usual.Store(before.usual.Load())
	}
	p.reckon(tickOf(env.Now()))
	return p
}

type peakPicker struct {
	choices
	usual    atomic.Uint64 // median latency, a float64; 0 if nobody has one yet
	reckoned atomic.Uint32 // the tick when it was
}

const (
	reckonEvery = 100 // ticks
	farSlower   = 4   // than usual
)

// reckon finds the median of the latencies there are; of several dozen, where
// there are many.
func (p *peakPicker) reckon(now tick) {
	var known [64]float64
	n := 0
	for i := 0; i < len(p.endpoints) && n < len(known); i += 1 + len(p.endpoints)/len(known) {
		if l := p.endpoints[i].latency.at(now); l > 0 {
			known[n] = l
			n++
		}
	}
	if n > 0 {
		slices.Sort(known[:n])
		p.usual.Store(math.Float64bits(known[n/2]))
	}
	p.reckoned.Store(uint32(now))
}

func (p *peakPicker) Pick(*Call) *Endpoint {
	if len(p.endpoints) == 1 {
		return p.endpoints[0]
	}
	now, usual := p.env.lately(), p.usualLatency()
	best := p.draw(now, usual)
	if best.latency > farSlower*usual && usual > 0 {
		if other := p.draw(now, usual); other.load < best.load {
			return other.ep
		}
	}
	return best.ep
}

// usualLatency is the median, 0 if nothing is known yet.
func (p *peakPicker) usualLatency() float64 { return math.Float64frombits(p.usual.Load()) }

// promise is what is to be expected of an endpoint.
type promise struct {
	ep            *Endpoint
	latency, load float64
}

// draw returns the better of two.
func (p *peakPicker) draw(now tick, usual float64) promise {
	i, j := p.two()
	a, b := p.promise(i, now, usual), p.promise(j, now, usual)
	if b.load < a.load {
		return b
	}
	return a
}

func (p *peakPicker) promise(i uint64, now tick, usual float64) promise {
	ep := p.endpoints[i]
	latency := ep.latency.at(now)
	if latency == 0 {
		latency = max(usual, 1)
	}
	before := float64(ep.inflight.Load())
	if p.shares != nil {
		before /= p.shares[i]
	}
	return promise{ep, latency, latency * (before + 1)}
}

// Done learns from a call.
func (p *peakPicker) Done(ep *Endpoint, o Outcome) {
	now := p.env.lately()
	switch o.Result {
	case Success:
		ep.latency.learn(o.Latency, now)
	case Failure:
		ep.latency.learn(o.failed(), now)
	}
	if last := p.reckoned.Load(); uint32(now)-last >= reckonEvery && p.reckoned.CompareAndSwap(last, uint32(now)) {
		p.reckon(now)
	}
}

// Explain draws as Pick does and tells what each of those promises.
func (p *peakPicker) Explain(_ *Call, t *Trace) *Endpoint {
	t.Rule("of two drawn, or of four where two are slow, the one that promises the earlier answer; the score is in seconds")
	if len(p.endpoints) == 1 {
		return p.endpoints[0]
	}
	now, usual := p.env.lately(), math.Float64frombits(p.usual.Load())
	best := p.drawTraced(now, usual, t)
	if best.latency > farSlower*usual && usual > 0 {
		if other := p.drawTraced(now, usual, t); other.load < best.load {
			return other.ep
		}
	}
	return best.ep
}

func (p *peakPicker) drawTraced(now tick, usual float64, t *Trace) promise {
	i, j := p.two()
	a, b := p.promise(i, now, usual), p.promise(j, now, usual)
	t.Compare(a.ep, a.load/float64(time.Second))
	t.Compare(b.ep, b.load/float64(time.Second))
	if b.load < a.load {
		return b
	}
	return a
}
