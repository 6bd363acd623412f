package lb

import "sync"

// SmoothWeighted sends calls in proportion to the weights, as evenly as a
// sequence can be: with weights of 5, 1 and 1 it is a a b a c a a. It is the
// smooth weighted round robin of nginx (Igor Sysoev, 2012): each pick adds to
// every endpoint's credit its weight, takes the one of the most credit, and
// takes from that one the sum of the weights.
//
// A pick looks at every endpoint, under a lock: it is meant for a few dozen.
// The credit survives updates.
var SmoothWeighted Policy = smoothWeighted{}

type smoothWeighted struct{}

func (smoothWeighted) Name() string { return "smooth_weighted" }

func (smoothWeighted) Build(_ *Env, endpoints []*Endpoint, prev Picker) Picker {
	p := &smoothPicker{
		endpoints: endpoints,
		weights:   make([]float64, len(endpoints)),
		credit:    make([]float64, len(endpoints)),
	}
	for i, ep := range endpoints {
		p.weights[i] = ep.Weight()
		p.sum += p.weights[i]
	}
	if before, ok := prev.(*smoothPicker); ok {
		p.inherit(before)
	}
	return p
}

type smoothPicker struct {
	endpoints []*Endpoint
	weights   []float64
	sum       float64 // of weights

	mu     sync.Mutex
	credit []float64
}

// inherit takes over the credit of those who were there before, bounded by
// what the new weights can add up to.
func (p *smoothPicker) inherit(before *smoothPicker) {
	before.mu.Lock()
	defer before.mu.Unlock()
	i := 0
	for j, ep := range before.endpoints {
		for i < len(p.endpoints) && p.endpoints[i].id < ep.id {
			i++
		}
		if i < len(p.endpoints) && p.endpoints[i] == ep {
			p.credit[i] = min(max(before.credit[j], -p.sum), p.sum)
		}
	}
}

func (p *smoothPicker) Pick(*Call) *Endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := 0
	for i, w := range p.weights {
		p.credit[i] += w
		if p.credit[i] > p.credit[best] {
			best = i
		}
	}
	p.credit[best] -= p.sum
	return p.endpoints[best]
}

// Explain tells the credit that everybody has.
func (p *smoothPicker) Explain(_ *Call, t *Trace) *Endpoint {
	t.Rule("the most credit, which grows by the weight with every pick and is spent by being picked")
	p.mu.Lock()
	defer p.mu.Unlock()
	best := 0
	for i, ep := range p.endpoints {
		t.Compare(ep, p.credit[i]+p.weights[i])
		if p.credit[i]+p.weights[i] > p.credit[best]+p.weights[best] {
			best = i
		}
	}
	if !t.Dry() {
		for i, w := range p.weights {
			p.credit[i] += w
		}
		p.credit[best] -= p.sum
	}
	return p.endpoints[best]
}
