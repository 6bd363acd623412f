package lb

import (
	"sync/atomic"
	"time"
)

// Slow start raises an endpoint's weight from a tenth to the whole, linearly,
// while its caches fill and its code is compiled. It works through
// [Endpoint.Weight], and so with every policy that honours weights.
const (
	coldest        = 0.1
	slowStartSteps = 20
)

// slowStart knows for how long endpoints have been there.
type slowStart struct {
	window  time.Duration
	before  []*Endpoint                 // sorted by id
	since   map[*Endpoint]time.Duration // of those who are still warming up
	waiting atomic.Bool                 // for the next step
}

// successor goes on with another window; with none, everybody is warm at once,
// and it returns nil.
func (s *slowStart) successor(window time.Duration) *slowStart {
	if window > 0 {
		return &slowStart{window: window, before: s.before, since: s.since}
	}
	for ep := range s.since {
		ep.warm(1)
	}
	return nil
}

// warm sets the weights of endpoints, sorted by id. Those who are there at the
// first time are warm: that their client has just started says nothing of them.
func (s *slowStart) warm(env *Env, endpoints []*Endpoint) {
	now := env.Now()
	if s.since == nil {
		s.since = map[*Endpoint]time.Duration{}
	} else {
		s.greet(endpoints, now)
	}
	s.before = endpoints
	for ep, since := range s.since {
		warmth := float64(now-since) / float64(s.window)
		if warmth >= 1 {
			delete(s.since, ep)
			warmth = 1
		}
		ep.warm(float32(max(warmth, coldest)))
	}
	if len(s.since) > 0 {
		env.weighed.Store(nil) // they are others now
	}
	if len(s.since) > 0 && s.waiting.CompareAndSwap(false, true) {
		env.After(s.window/slowStartSteps, func() {
			s.waiting.Store(false)
			env.Rebuild()
		})
	}
}

// greet finds those who were not there before.
func (s *slowStart) greet(endpoints []*Endpoint, now time.Duration) {
	i := 0
	for _, ep := range endpoints {
		for i < len(s.before) && s.before[i].id < ep.id {
			i++
		}
		if i == len(s.before) || s.before[i] != ep {
			s.since[ep] = now
		}
	}
}
