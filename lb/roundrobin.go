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
	before, ok := prev.(*roundRobinPicker)
	if !ok {
		start := env.Rand() % n
		return &roundRobinPicker{
			cursor:    new(cursor),
			offset:    start,
			endpoints: endpoints,
			before:    endpoints[(start+n-1)%n].id,
		}
	}
	turn := before.cursor.Load()
	last := before.last(turn)
	next := sort.Search(len(endpoints), func(i int) bool { return endpoints[i].id > last })
	return &roundRobinPicker{
		cursor:    before.cursor,
		offset:    (uint64(next) + n - turn%n) % n,
		endpoints: endpoints,
		turn:      turn,
		before:    last,
	}
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

	turn   uint64 // the first one of this picker
	before string // the id that was picked last before it
}

func (p *roundRobinPicker) Pick(*Call) *Endpoint { return p.at(p.cursor.Add(1) - 1) }

func (p *roundRobinPicker) at(turn uint64) *Endpoint {
	return p.endpoints[(turn+p.offset)%uint64(len(p.endpoints))]
}

// last returns the id that was picked before the given turn.
func (p *roundRobinPicker) last(turn uint64) string {
	if turn == p.turn {
		return p.before
	}
	return p.at(turn - 1).id
}

// Explain tells whose turn it is.
func (p *roundRobinPicker) Explain(call *Call, t *Trace) *Endpoint {
	t.Rule("the next in turn, by id")
	if t.Dry() {
		return p.at(p.cursor.Load())
	}
	return p.Pick(call)
}
