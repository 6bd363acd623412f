package lb

import "sync/atomic"

// pool holds the endpoints that told of their load most lately: at most 16, none
// from longer ago than a second, each for one call. A load that was true a
// moment ago is worth more than any average; and who has just answered has just
// become less busy.
//
// A slot is one word: the endpoint's index and one, and the tick when it told; 0
// if free. Two that write to one slot at once may overwrite each other: then an
// entry is used once more, or once less.
type pool struct {
	slots [16]atomic.Uint64
	size  int // slots in use
}

const poolAge = 1000 // ticks

// entry is what a slot holds.
type entry uint64

func entryOf(i int, at tick) entry { return entry(i+1)<<32 | entry(at) }

func (e entry) index() int { return int(e>>32) - 1 }
func (e entry) at() tick   { return tick(e) }

// init sizes the pool for n endpoints. It must not hold all of them, or there
// would be nothing to choose.
func (p *pool) init(n int) { p.size = max(2, min(len(p.slots), n/2)) }

// add takes in the endpoint of that index: in the first place that is free or its
// own, else that of the oldest. It may be there twice, for two calls; looking for
// its own place first made no scenario better, and some worse by a per cent.
func (p *pool) add(i int, now tick) {
	slot, age := 0, int32(-1)
	for s := range p.size {
		e := entry(p.slots[s].Load())
		if e == 0 || e.index() == i {
			slot = s
			break
		}
		if a := int32(now - e.at()); a > age {
			slot, age = s, a
		}
	}
	p.slots[slot].Store(uint64(entryOf(i, now)))
}

// slot is the n-th, counted from a random one.
func (p *pool) slot(n int, random uint64) int {
	return (int(random>>1&0xff) + n) % p.size
}

// at returns what a slot holds, 0 if nothing that still counts.
func (p *pool) at(s int, now tick) entry {
	e := entry(p.slots[s].Load())
	if e != 0 && int32(now-e.at()) > poolAge {
		p.remove(s, e)
		return 0
	}
	return e
}

func (p *pool) remove(s int, e entry) { p.slots[s].CompareAndSwap(uint64(e), 0) }
