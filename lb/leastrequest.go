package lb

// LeastRequest draws two endpoints and takes the one with fewer calls under
// way from here, in relation to its weight; as Envoy's least request and
// NGINX's "random two least_conn" do. See [PeakEWMA], which also knows how
// fast an endpoint is, and that one that fails at once is not a fast one.
var LeastRequest Policy = leastRequest{}

type leastRequest struct{}

func (leastRequest) Name() string   { return "least_request" }
func (leastRequest) Needs() Signals { return InFlight }

func (leastRequest) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	return &leastRequestPicker{newChoices(env, endpoints)}
}

type leastRequestPicker struct{ choices }

func (p *leastRequestPicker) Pick(*Call) *Endpoint {
	if len(p.endpoints) == 1 {
		return p.endpoints[0]
	}
	a, b := p.two()
	ofA, ofB := a.inflight.Load(), b.inflight.Load()
	if p.even {
		if ofB < ofA {
			return b
		}
		return a
	}
	if float64(ofB)*a.Weight() < float64(ofA)*b.Weight() {
		return b
	}
	return a
}

// Explain draws two and tells what they have to do.
func (p *leastRequestPicker) Explain(_ *Call, t *Trace) *Endpoint {
	t.Rule("of two drawn, the one with fewer calls under way from here, in relation to its weight")
	if len(p.endpoints) == 1 {
		return p.endpoints[0]
	}
	a, b := p.two()
	atA, atB := float64(a.inflight.Load())/p.share(a), float64(b.inflight.Load())/p.share(b)
	t.Compare(a, atA)
	t.Compare(b, atB)
	if atB < atA {
		return b
	}
	return a
}
