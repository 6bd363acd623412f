package lbtest

import (
	"container/heap"
	"time"
)

// Agenda is what is going to happen: first what is due first, and of what is due
// at the same time, what was added first.
type Agenda struct {
	events events
	order  int
}

// Add lets something happen at that time.
func (a *Agenda) Add(at time.Duration, do func()) { a.addUnless(nil, at, do) }

func (a *Agenda) addUnless(over *try, at time.Duration, do func()) {
	a.order++
	heap.Push(&a.events, event{at, a.order, do, over})
}

// Next takes what is due next. It reports false when there is nothing.
func (a *Agenda) Next() (at time.Duration, do func(), ok bool) {
	for len(a.events) > 0 {
		next := heap.Pop(&a.events).(event)
		if next.unless == nil || !next.unless.over {
			return next.at, next.do, true
		}
	}
	return 0, nil, false
}

type event struct {
	at     time.Duration
	order  int
	do     func()
	unless *try // if set, void once that is over
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	(*e)[len(*e)-1] = event{}
	*e = (*e)[:len(*e)-1]
	return last
}
