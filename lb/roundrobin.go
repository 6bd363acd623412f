package lb

import (
	"sort"
	"sync/atomic"
)

// RoundRobin sends calls to one endpoint after the other, in the order of
// their ids. Balancers start at random places, so that a fleet of clients does
// not begin with the same copy; from there the turn survives updates: after a
// change of the set it is that of the endpoint behind the last one called.
var RoundRobin Policy = roundRobin{}

type roundRobin struct{}

func (roundRobin) Name() string { return "round_robin" }

func (roundRobin) Build(env *Env, endpoints []*Endpoint, prev Picker) Picker {
	n := uint64(len(endpoints))
	p := &roundRobinPicker{endpoints: endpoints}
	before, ok := prev.(*roundRobinPicker)
	if !ok {
		p.cursor, p.offset = new(cursor), env.Rand()%n
		return p
	}
	p.cursor = before.cursor
	turn := p.cursor.Load()
	last := before.at(turn + uint64(len(before.endpoints)) - 1).id
	next := sort.Search(len(endpoints), func(i int) bool { return endpoints[i].id > last })
	p.offset = (uint64(next) + n - turn%n) % n
	return p
}

// cursor counts the picks. It has a cache line to itself, as every pick of
// every core writes it.
type cursor struct {
	_ [64]byte
	atomic.Uint64
	_ [56]byte
}

type roundRobinPicker struct {
	cursor    *cursor
	offset    uint64 // from the cursor to the index
	endpoints []*Endpoint
}

func (p *roundRobinPicker) Pick(*Call) *Endpoint { return p.at(p.cursor.Add(1) - 1) }

func (p *roundRobinPicker) at(turn uint64) *Endpoint {
	return p.endpoints[(turn+p.offset)%uint64(len(p.endpoints))]
}
