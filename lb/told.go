package lb

// toldPicker is what policies have in common that go by what endpoints tell of
// their load. Without any, it is [PeakEWMA].
type toldPicker struct {
	*peakPicker
	pool pool
}

// build takes over from the picker before, which is p itself if there is none.
// What was told lies in the endpoints; the pool fills anew with the next answers.
func (p *toldPicker) build(env *Env, endpoints []*Endpoint, before *toldPicker) {
	p.peakPicker = newPeakPicker(env, endpoints, before.peakPicker)
	p.pool.init(len(endpoints))
}

// explores decides by random bits whether a call goes to who was not heard of
// for long: else whoever is in no pool is never called, and tells nothing.
func (p *toldPicker) explores(random uint64) bool { return random>>60 == 0 }

// unheard returns the one of two that told of its load longer ago, unless the
// other is far faster.
func (p *toldPicker) unheard(trace *Trace) *Endpoint {
	if trace != nil {
		trace.Rule("of two drawn, the one that has not told of its load for longer, unless it is slow; as one call in sixteen")
	}
	if len(p.endpoints) == 1 {
		return p.endpoints[0]
	}
	now := p.env.lately()
	a, b := p.two()
	if a.reported.age(now) < b.reported.age(now) {
		a, b = b, a
	}
	if usual := p.usualLatency(); usual > 0 && a.latency.at(now) > slower*usual {
		return b
	}
	return a
}

// guess is what is done where too few told of their load.
func (p *toldPicker) guess(call *Call, trace *Trace) *Endpoint {
	if trace != nil {
		return p.peakPicker.Explain(call, trace)
	}
	return p.peakPicker.Pick(call)
}

const slower = 2 // than usual

// failingAbove is the time above which an endpoint's failures make it the last
// choice: as in [PeakEWMA], a failure counts as long as its caller would have
// waited.
func (p *toldPicker) failingAbove() float64 { return farSlower * p.usualLatency() }

// service is how long a call takes there; one that could not tell yet takes as
// long as the median from here.
func (p *toldPicker) service(ep *Endpoint) float64 {
	if s := ep.reported.service(); s > 0 {
		return s
	}
	return max(p.usualLatency(), 1)
}

// queue is how many calls an endpoint has in relation to its weight.
func (p *toldPicker) queue(i int) float64 {
	ep := p.endpoints[i]
	return ep.reported.inFlight() / p.share(ep)
}

func (p *toldPicker) Loaded(ep *Endpoint, _ Load) {
	if i := index(p.endpoints, ep.id); i >= 0 && p.endpoints[i] == ep {
		p.pool.add(i, p.env.lately())
	}
}

func (p *toldPicker) Done(ep *Endpoint, o Outcome) {
	p.peakPicker.Done(ep, o)
	if o.Result == Failure {
		ep.failing.learn(o.failed(), p.env.lately())
	}
}
