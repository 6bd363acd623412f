package lb

import (
	"math"
	"sync/atomic"
	"time"
)

// Prequal asks three endpoints at random for their load with every call, without
// waiting, and sends the call to the best of those that answered last (Wydrowski
// et al., "Load is not what you should balance: Introducing Prequal", NSDI 2024).
// Endpoints that have more calls under way than 84 % of those that told are hot,
// and come after all others, the one with the fewest calls first; of the others,
// the one that promises the earliest answer is taken, by its service time and
// the calls that it has. Calls begun from here since it told are counted in.
//
// It needs servers that answer probes, or at least report their load with their
// answers, which then take the place of probes, and nobody counts as hot; among
// others, it chooses as [PeakEWMA] does.
var Prequal Policy = prequal{}

type prequal struct{}

func (prequal) Name() string   { return "prequal" }
func (prequal) Needs() Signals { return InFlight | Latency | Loads }

func (prequal) Build(env *Env, endpoints []*Endpoint, prev Picker) Picker {
	before, _ := prev.(*prequalPicker)
	p := &prequalPicker{}
	if before == nil {
		before = p
	}
	p.toldPicker.build(env, endpoints, &before.toldPicker)
	p.hot.Store(before.hot.Load())
	return p
}

const (
	coldShare = 0.84 // of those that told; 2^-0.25 in the paper
	hotStep   = 0.02 // by which the bound moves with each
)

type prequalPicker struct {
	toldPicker
	hot     atomic.Uint64 // the most calls of a cold one, a float64
	probing atomic.Bool   // the last call asked for loads
}

// candidate is an entry of the pool with what is to be expected of it.
type candidate struct {
	slot int
	entry
	rank    int     // cold, hot, failing
	queue   float64 // calls, of a hot one
	latency float64 // that it promises
}

func (c candidate) before(other candidate) bool {
	if c.rank != other.rank {
		return c.rank < other.rank
	}
	if c.queue != other.queue {
		return c.queue < other.queue
	}
	return c.latency < other.latency
}

func (p *prequalPicker) Pick(call *Call) *Endpoint { return p.pick(call, nil) }

// Explain tells how Pick does it.
func (p *prequalPicker) Explain(call *Call, t *Trace) *Endpoint { return p.pick(call, t) }

// pick tells trace how, unless that is nil.
func (p *prequalPicker) pick(call *Call, trace *Trace) *Endpoint {
	random, dry := p.env.Rand(), trace != nil && trace.Dry()
	if len(p.endpoints) == 1 {
		return p.unheard(trace)
	}
	probes := p.probing.Load()
	if !dry {
		probes = p.probe()
	}
	if !probes && p.explores(random) {
		return p.unheard(trace)
	}
	now := p.env.lately()
	best, worst, oldest, known := p.look(now, random, probes, trace)
	if known < 2 {
		return p.guess(call, trace)
	}
	if trace != nil {
		trace.Rule("of those that told of their load last, the hot ones last, the one that promises the earliest answer; in seconds")
	}
	if dry {
		return p.endpoints[best.index()]
	}
	p.pool.remove(best.slot, best.entry)
	if probes {
		// The worst are never used, and would fill the pool.
		out := worst
		if random&1 == 0 {
			out = oldest
		}
		p.pool.remove(out.slot, out.entry)
	}
	return p.endpoints[best.index()]
}

// probe asks three for their load, and reports whether one of them is asked.
func (p *prequalPicker) probe() bool {
	a, b := p.two()
	first, second := p.env.Probe(a), p.env.Probe(b)
	third := p.env.Probe(p.endpoints[p.env.index(len(p.endpoints))])
	probes := first || second || third
	if p.probing.Load() != probes {
		p.probing.Store(probes)
	}
	return probes
}

// look goes through the pool, beginning anywhere, so that among equals everybody
// gets a turn.
func (p *prequalPicker) look(now tick, random uint64, probes bool, trace *Trace) (best, worst, oldest candidate, known int) {
	hot, limit := math.Inf(1), p.failingAbove()
	if probes {
		hot = math.Float64frombits(p.hot.Load())
	}
	for n := range p.pool.size {
		s := p.pool.slot(n, random)
		e := p.pool.at(s, now)
		if e == 0 {
			continue
		}
		ep, queue := p.endpoints[e.index()], p.queue(e.index())
		c := candidate{slot: s, entry: e, latency: (queue + 1) * p.service(ep)}
		if queue > hot {
			c.rank, c.queue = 1, queue
		}
		if ep.failing.at(now) > limit {
			c.rank = 2
		}
		if trace != nil {
			trace.Compare(ep, c.latency/float64(time.Second))
		}
		if known == 0 || c.before(best) {
			best = c
		}
		if known == 0 || worst.before(c) {
			worst = c
		}
		if known == 0 || int32(oldest.at()-e.at()) > 0 {
			oldest = c
		}
		known++
	}
	return best, worst, oldest, known
}

// Loaded takes an answer into the pool, and moves the bound between cold and hot a
// little to where it should be.
func (p *prequalPicker) Loaded(ep *Endpoint, load Load) {
	i := index(p.endpoints, ep.id)
	if i < 0 || p.endpoints[i] != ep {
		return
	}
	queue := p.queue(i)
	for {
		word := p.hot.Load()
		hot := math.Float64frombits(word)
		step := hotStep * (hot + 1)
		if queue > hot {
			hot += step * coldShare
		} else {
			hot -= step * (1 - coldShare)
		}
		if p.hot.CompareAndSwap(word, math.Float64bits(max(hot, 0))) {
			break
		}
	}
	p.pool.add(i, p.env.lately())
}
