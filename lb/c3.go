package lb

import "time"

// C3 takes the endpoint with the lowest score of those that told of their load
// most lately (Suresh et al., "C3: Cutting Tail Latency in Cloud Data Stores via
// Adaptive Replica Selection", NSDI 2015). The score is what answers take here
// beyond their service, and the service time multiplied by the cube of the calls
// that the endpoint has, so that a long queue counts more than a fast server.
// Calls begun from here since the endpoint told are counted in.
//
// It needs servers that report their load with their answers; among those that
// do not, it chooses as [PeakEWMA] does. So goes one call in sixteen, to hear of
// the others.
var C3 Policy = c3{}

type c3 struct{}

func (c3) Name() string   { return "c3" }
func (c3) Needs() Signals { return InFlight | Latency | Loads }

func (c3) Build(env *Env, endpoints []*Endpoint, prev Picker) Picker {
	before, _ := prev.(*c3Picker)
	p := &c3Picker{}
	if before == nil {
		before = p
	}
	p.toldPicker.build(env, endpoints, &before.toldPicker)
	return p
}

type c3Picker struct{ toldPicker }

func (p *c3Picker) Pick(call *Call) *Endpoint { return p.pick(call, nil) }

// Explain tells how Pick does it.
func (p *c3Picker) Explain(call *Call, t *Trace) *Endpoint { return p.pick(call, t) }

// pick tells trace how, unless that is nil.
func (p *c3Picker) pick(call *Call, trace *Trace) *Endpoint {
	random := p.env.Rand()
	if len(p.endpoints) == 1 || p.explores(random) {
		return p.unheard(trace)
	}
	now, limit := p.env.lately(), p.failingAbove()
	best, lowest, known := -1, 0.0, 0
	var chosen entry
	for n := range p.pool.size {
		s := p.pool.slot(n, random)
		e := p.pool.at(s, now)
		if e == 0 {
			continue
		}
		known++
		score := p.score(e.index(), now, limit)
		if best < 0 || score < lowest {
			best, lowest, chosen = s, score, e
		}
		if trace != nil {
			trace.Compare(p.endpoints[e.index()], score/float64(time.Second))
		}
	}
	if known < 2 {
		return p.guess(call, trace)
	}
	if trace != nil {
		trace.Rule("of those that told of their load last, the one with the lowest cube of its calls times its service time; in seconds")
		if trace.Dry() {
			return p.endpoints[chosen.index()]
		}
	}
	p.pool.remove(best, chosen)
	return p.endpoints[chosen.index()]
}

func (p *c3Picker) score(i int, now tick, limit float64) float64 {
	ep := p.endpoints[i]
	queue, service := p.queue(i)+1, p.service(ep)
	score := max(ep.latency.at(now)-service, 0) + queue*queue*queue*service
	if failing := ep.failing.at(now); failing > limit {
		score += 1e18
	}
	return score
}
