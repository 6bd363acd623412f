package lb

import (
	"math/bits"
	"slices"
)

// Maglev sends the calls of one key ([WithKey]) to the same endpoint, by one
// look-up in a table of 65 537 entries that the endpoints share by weight
// (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
// Balancer", 2016). The shares are more even than on a ring, and a look-up is
// faster; when an endpoint comes or goes, about half a percent of the other
// keys move too. A second try goes to the endpoint of the next entry. Calls
// without a key go anywhere. Of more than 65 537 endpoints, some are not
// called.
var Maglev Policy = maglev{}

type maglev struct{}

func (maglev) Name() string { return "maglev" }

func (maglev) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	return &maglevPicker{env, endpoints, maglevTable(endpoints)}
}

type maglevPicker struct {
	env       *Env
	endpoints []*Endpoint
	table     []uint32
}

func (p *maglevPicker) Pick(call *Call) *Endpoint {
	if call == nil || call.Key == "" {
		return p.endpoints[p.env.index(len(p.endpoints))]
	}
	entry, _ := bits.Mul64(hash(call.Key), uint64(len(p.table)))
	ep := p.endpoints[p.table[entry]]
	if len(call.Tried) > 0 && len(call.Tried) < len(p.endpoints) {
		for n := range p.table {
			next := p.endpoints[p.table[(int(entry)+n)%len(p.table)]]
			if !call.Avoids(next) {
				return next
			}
		}
	}
	return ep
}

// maglevSize is prime, so that every step leads through the whole table.
const maglevSize = 65537

// maglevTable lets the endpoints take turns: each takes the next entry that is
// free in an order of its own. Who has half the weight of the heaviest sits
// out every other round.
func maglevTable(endpoints []*Endpoint) []uint32 {
	const free = ^uint32(0)
	table := slices.Repeat([]uint32{free}, maglevSize)
	order := make([]maglevOrder, len(endpoints))
	heaviest := 0.0
	for i, ep := range endpoints {
		h := hash(ep.id)
		order[i] = maglevOrder{next: h % maglevSize, step: mix(h)%(maglevSize-1) + 1, weight: ep.Weight()}
		heaviest = max(heaviest, ep.Weight())
	}
	for taken := 0; ; {
		for i := range order {
			o := &order[i]
			if o.turns += o.weight; o.turns < heaviest {
				continue
			}
			o.turns -= heaviest
			for table[o.next] != free {
				o.advance()
			}
			table[o.next] = uint32(i)
			if taken++; taken == maglevSize {
				return table
			}
		}
	}
}

// maglevOrder is the order in which an endpoint wants entries.
type maglevOrder struct {
	next, step    uint64
	weight, turns float64
}

func (o *maglevOrder) advance() {
	if o.next += o.step; o.next >= maglevSize {
		o.next -= maglevSize
	}
}

// Explain tells whose the key's entry is, and those behind it as far as it was
// looked.
func (p *maglevPicker) Explain(call *Call, t *Trace) *Endpoint {
	chosen := p.Pick(call)
	if call == nil || call.Key == "" {
		t.Rule("any, as the call has no key")
		return chosen
	}
	t.Rule("whose the key's entry in the table is; the score is how many entries lie between")
	entry, _ := bits.Mul64(hash(call.Key), uint64(len(p.table)))
	seen := map[*Endpoint]bool{}
	for n := range p.table {
		ep := p.endpoints[p.table[(int(entry)+n)%len(p.table)]]
		if !seen[ep] {
			seen[ep] = true
			t.Compare(ep, float64(n))
		}
		if ep == chosen {
			break
		}
	}
	return chosen
}
