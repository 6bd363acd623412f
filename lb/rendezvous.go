package lb

import "math"

// Rendezvous sends the calls of one key ([WithKey]) to the same endpoint: the
// one that, of all, scores highest with it (Thaler and Ravishankar, "Using
// Name-Based Mappings to Increase Hit Rates", 1998; by weight as in Schindler
// and Schomaker, 2005). It spreads keys more evenly than a ring, and only keys
// that an endpoint gains or loses move; but it looks at all of them, so it is
// meant for some hundred. A second try goes to the next best. Calls without a
// key go anywhere.
var Rendezvous Policy = rendezvous{}

type rendezvous struct{}

func (rendezvous) Name() string { return "rendezvous" }

func (rendezvous) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	p := &rendezvousPicker{env: env, endpoints: endpoints, seeds: make([]uint64, len(endpoints)), shares: env.shares(endpoints)}
	for i, ep := range endpoints {
		p.seeds[i] = hash(ep.id)
	}
	return p
}

type rendezvousPicker struct {
	env       *Env
	endpoints []*Endpoint
	seeds     []uint64
	shares    []float64
}

func (p *rendezvousPicker) Pick(call *Call) *Endpoint {
	if call == nil || call.Key == "" {
		return p.endpoints[p.env.index(len(p.endpoints))]
	}
	key := hash(call.Key)
	best, none := p.best(key, call, len(call.Tried) < len(p.endpoints))
	if none {
		best, _ = p.best(key, call, false)
	}
	return p.endpoints[best]
}

// best returns who scores highest, among those that the call does not avoid if
// avoid is set, and whether there was none.
func (p *rendezvousPicker) best(key uint64, call *Call, avoid bool) (best int, none bool) {
	avoid, none = avoid && len(call.Tried) > 0, true
	var highest uint64
	var highestByShare float64
	for i, seed := range p.seeds {
		if avoid && call.Avoids(p.endpoints[i]) {
			continue
		}
		score := mix(seed ^ key)
		if p.shares == nil {
			if none || score > highest {
				best, highest, none = i, score, false
			}
		} else if s := scoreByShare(score, p.shares[i]); none || s > highestByShare {
			best, highestByShare, none = i, s, false
		}
	}
	return best, none
}

// scoreByShare makes whoever has twice the share win twice as often.
func scoreByShare(score uint64, share float64) float64 {
	return -share / math.Log((float64(score>>11)+0.5)/(1<<53))
}

// Explain tells everybody's score with the key.
func (p *rendezvousPicker) Explain(call *Call, t *Trace) *Endpoint {
	chosen := p.Pick(call)
	if call == nil || call.Key == "" {
		t.Rule("any, as the call has no key")
		return chosen
	}
	t.Rule("the highest score with the key")
	key := hash(call.Key)
	for i, ep := range p.endpoints {
		score := mix(p.seeds[i] ^ key)
		if p.shares == nil {
			t.Compare(ep, float64(score)/(1<<64))
		} else {
			t.Compare(ep, scoreByShare(score, p.shares[i]))
		}
	}
	return chosen
}
