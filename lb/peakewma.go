package lb

import (
	"slices"
	"time"
)

// PeakEWMA draws two endpoints and takes the one that promises the earlier
// answer: its recent latency, times the calls under way from here that are
// before this one. The latency is a moving average over ten seconds that jumps
// to every peak at once (Finagle, "Beyond Round Robin", 2016; Linkerd).
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
	p := &peakPicker{choices: newChoices(env, endpoints)}
	p.usual = p.median(tickOf(env.Now()))
	if before, ok := prev.(*peakPicker); ok && p.usual == 0 {
		p.usual = before.usual
	}
	return p
}

type peakPicker struct {
	choices
	usual float64 // latency of who has none yet; 0 if nobody had
}

// median returns the median latency of endpoints that have one; of several
// dozen of them, when there are many.
func (p *peakPicker) median(now tick) float64 {
	const enough = 64
	var known []float64
	for i := 0; i < len(p.endpoints); i += 1 + len(p.endpoints)/enough {
		if l := p.endpoints[i].latency.at(now); l > 0 {
			known = append(known, l)
		}
	}
	if len(known) == 0 {
		return 0
	}
	slices.Sort(known)
	return known[len(known)/2]
}

func (p *peakPicker) Pick(*Call) *Endpoint {
	if len(p.endpoints) == 1 {
		return p.endpoints[0]
	}
	i, j := p.two()
	a, b := p.endpoints[i], p.endpoints[j]
	now := p.env.lately()
	if p.load(j, b, now) < p.load(i, a, now) {
		return b
	}
	return a
}

func (p *peakPicker) load(i uint64, ep *Endpoint, now tick) float64 {
	latency := ep.latency.at(now)
	if latency == 0 {
		latency = max(p.usual, 1)
	}
	before := float64(ep.inflight.Load())
	if p.shares != nil {
		before /= p.shares[i]
	}
	return latency * (before + 1)
}

// Done learns from a call.
func (p *peakPicker) Done(ep *Endpoint, o Outcome) {
	switch o.Result {
	case Success:
		ep.latency.learn(o.Latency, p.env.lately())
	case Failure:
		patience := o.Deadline
		if patience == 0 {
			patience = time.Second
		}
		ep.latency.learn(max(o.Latency, patience), p.env.lately())
	}
}
