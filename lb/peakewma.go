package lb

import (
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// PeakEWMA draws two endpoints and takes the one that promises the earlier
// answer: its recent latency, times the calls under way from here that are
// before this one. The latency is a moving average that jumps to every peak at
// once (Finagle, "Beyond Round Robin", 2016; Linkerd) and counts half after three
// seconds, a tenth after 25. When
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
func (peakEWMA) Needs() Signals { return InFlight | SomeLatencies }

func (peakEWMA) Build(env *Env, endpoints []*Endpoint, prev Picker) Picker {
	before, _ := prev.(*peakPicker)
	return newPeakPicker(env, endpoints, before)
}

func newPeakPicker(env *Env, endpoints []*Endpoint, before *peakPicker) *peakPicker {
	p := &peakPicker{choices: newChoices(env, endpoints)}
	now := tickOf(env.Now())
	if before != nil {
		p.usual.Store(before.usual.Load())
		p.reckoned.Store(before.reckoned.Load())
	}
	if p.usual.Load() == 0 || uint32(now)-p.reckoned.Load() >= reckonEvery {
		p.reckon(now)
	}
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
	a, b := p.two()
	ofA, ofB := p.latency(a, now, usual), p.latency(b, now, usual)
	loadA, loadB := p.load(a, ofA), p.load(b, ofB)
	best := a
	if loadB < loadA {
		// Nothing else happens here, so that this becomes a conditional
		// move: a branch would be guessed wrongly every other time.
		best = b
	}
	if tooSlow := farSlower * usual; tooSlow > 0 && max(ofA, ofB) > tooSlow && p.latency(best, now, usual) > tooSlow {
		return p.another(best, min(loadA, loadB), now, usual)
	}
	return best
}

// another draws two more, and returns the best of three.
func (p *peakPicker) another(best *Endpoint, load float64, now tick, usual float64) *Endpoint {
	a, b := p.two()
	for _, ep := range [...]*Endpoint{a, b} {
		if l := p.load(ep, p.latency(ep, now, usual)); l < load {
			best, load = ep, l
		}
	}
	return best
}

// usualLatency is the median, 0 if nothing is known yet.
func (p *peakPicker) usualLatency() float64 { return math.Float64frombits(p.usual.Load()) }

// latency is how long the endpoint takes for a call.
func (p *peakPicker) latency(ep *Endpoint, now tick, usual float64) float64 {
	latency := ep.latency.at(now)
	if latency == 0 {
		latency = max(usual, 1)
	}
	return latency
}

// load is the endpoint's latency, times the calls that are before one more.
func (p *peakPicker) load(ep *Endpoint, latency float64) float64 {
	before := float64(ep.inflight.Load())
	if !p.even {
		before /= p.share(ep)
	}
	return latency * (before + 1)
}

// Done learns from a call.
func (p *peakPicker) Done(ep *Endpoint, o Outcome) {
	now := p.env.lately()
	switch o.Result {
	case Success:
		if o.Latency > 0 { // else it was not timed
			ep.latency.learn(o.Latency, now)
		}
	case Failure:
		ep.latency.learn(o.failed(), now)
	case Overtaken:
		if float64(o.Latency) > ep.latency.at(now) { // it would have been longer still
			ep.latency.learn(o.Latency, now)
		}
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
	now, usual := p.env.lately(), p.usualLatency()
	best, load := p.drawTraced(now, usual, t)
	if usual > 0 && p.latency(best, now, usual) > farSlower*usual {
		if other, l := p.drawTraced(now, usual, t); l < load {
			return other
		}
	}
	return best
}

func (p *peakPicker) drawTraced(now tick, usual float64, t *Trace) (*Endpoint, float64) {
	a, b := p.two()
	loadA, loadB := p.load(a, p.latency(a, now, usual)), p.load(b, p.latency(b, now, usual))
	t.Compare(a, loadA/float64(time.Second))
	t.Compare(b, loadB/float64(time.Second))
	if loadB < loadA {
		return b, loadB
	}
	return a, loadA
}
