package lb

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Circuit keeps calls from an endpoint that fails many of them (Nygard, "Release
// It!", 2007). When the share of failures in the window is reached, the circuit
// opens, and no call goes there. After a while some are let through at a time to
// try it: when as many of them succeeded it closes, and when one fails it stays
// open for as long again. The calls in a window are counted exactly, in ten
// buckets.
//
// It differs from [Ejection] in that it holds for any number of endpoints: when
// all circuits are open, calls fail with [ErrLimited], which is what a caller
// wants that can do without the answer. The zero value is off.
type Circuit struct {
	// Failures is the share of failed calls at which the circuit opens, such
	// as 0.5; off if zero.
	Failures float64
	// Calls is how many there must have been in the window; 20 if zero.
	Calls int
	// Window is for how long calls count; 10 s if zero.
	Window time.Duration
	// Open is for how long no call is made; 5 s if zero.
	Open time.Duration
	// Trials is how many calls try an open circuit at a time, and how many
	// must succeed; 3 if zero.
	Trials int
}

func (c Circuit) on() bool { return c.Failures > 0 }

func (c Circuit) withDefaults() Circuit {
	if c.Calls == 0 {
		c.Calls = 20
	}
	if c.Window == 0 {
		c.Window = 10 * time.Second
	}
	if c.Open == 0 {
		c.Open = 5 * time.Second
	}
	if c.Trials == 0 {
		c.Trials = 3
	}
	return c
}

// breaker is the circuit of one endpoint.
type breaker struct {
	Circuit
	until  atomic.Int64 // when it may be tried, on the clock of the Env; 0 while closed
	trials atomic.Int64 // under way

	mu      sync.Mutex // of what follows, and of changes of until
	passed  int        // trials that succeeded
	buckets [circuitBuckets]bucket
}

const circuitBuckets = 10

// bucket counts the calls of a tenth of a window.
type bucket struct {
	number          int64
	calls, failures int
}

func newBreaker(c Circuit) *breaker {
	if !c.on() {
		return nil
	}
	return &breaker{Circuit: c.withDefaults()}
}

// pass is the leave to call an endpoint.
type pass uint8

const (
	refused pass = iota
	granted
	onTrial // through an open circuit
)

// enter asks for leave; onTrial must be given back.
func (b *breaker) enter(env *Env) pass {
	until := b.until.Load()
	switch {
	case until == 0:
		return granted
	case int64(env.Now()) < until:
		return refused
	case b.trials.Add(1) > int64(b.Trials):
		b.trials.Add(-1)
		return refused
	default:
		return onTrial
	}
}

// done takes in how a call ended that entered by p.
func (b *breaker) done(p pass, result Result, now time.Duration) {
	if p == onTrial {
		b.trials.Add(-1)
	}
	if result != Success && result != Failure {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until.Load()
	switch {
	case until == 0:
		b.count(result, now)
	case p != onTrial || int64(now) < until: // it began before the circuit opened
	case result == Failure:
		b.open(now)
	default:
		if b.passed++; b.passed >= b.Trials {
			b.until.Store(0)
		}
	}
}

// count opens the circuit if there were too many failures. The caller holds mu.
func (b *breaker) count(result Result, now time.Duration) {
	number := int64(now / max(b.Window/circuitBuckets, 1))
	current := &b.buckets[number%circuitBuckets]
	if current.number != number {
		*current = bucket{number: number}
	}
	current.calls++
	if result == Success {
		return
	}
	current.failures++
	calls, failures := 0, 0
	for _, c := range b.buckets {
		if number-c.number < circuitBuckets {
			calls += c.calls
			failures += c.failures
		}
	}
	if calls >= b.Calls && float64(failures) >= b.Failures*float64(calls) {
		b.open(now)
	}
}

// open begins with a closed circuit's failures, and with an open one's time, anew.
// The caller holds mu.
func (b *breaker) open(now time.Duration) {
	b.passed = 0
	b.buckets = [circuitBuckets]bucket{}
	b.until.Store(max(int64(later(now, b.Open)), 1))
}

// later is d after now, or the end of time if that comes before.
func later(now, d time.Duration) time.Duration {
	return now + min(d, math.MaxInt64-now)
}
