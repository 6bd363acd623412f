package load

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// Meter measures what a server does. The zero value is ready for use; it must
// not be copied after that. Its methods are safe for concurrent use, do not
// block and do not allocate.
type Meter struct {
	// Utilization is the server's own idea of how much of what it can do it
	// does, where 1 is all; if nil, the report has none, and clients go by
	// that of the processor. It is called for every report.
	Utilization func() float64
	// Now is a monotonic clock, for simulations.
	Now func() time.Duration

	clock             clock
	inflight, waiting atomic.Int64
	service           average
	calls, failures   atomic.Int64 // since the last sample
	next              atomic.Int64 // when the next sample is due, a time.Duration

	mu       sync.Mutex // of what follows
	sampled  time.Duration
	cpu      time.Duration // used by the process until then
	recently atomic.Pointer[sample]
}

// sample is what was true lately.
type sample struct{ rate, failures, cpu float64 }

const (
	sampleEvery  = 200 * time.Millisecond
	sampleMemory = 2 * time.Second
)

// Call is a call under way.
type Call struct {
	meter *Meter
	since time.Duration
}

// Begin counts a call whose work begins. Its Done must be called once.
func (m *Meter) Begin() Call {
	m.inflight.Add(1)
	now := m.now()
	m.sample(now)
	return Call{m, now}
}

// Done says that the call is over. Only calls that were done well tell how long
// one takes.
func (c Call) Done(well bool) {
	m := c.meter
	m.inflight.Add(-1)
	m.calls.Add(1)
	now := m.now()
	if well {
		m.service.learn(float64(now - c.since))
	} else {
		m.failures.Add(1)
	}
	m.sample(now)
}

// wait counts calls that arrived and do not begin yet.
func (m *Meter) wait(n int64) { m.waiting.Add(n) }

// Report says what is to be said now.
func (m *Meter) Report() Report {
	m.sample(m.now())
	waiting := m.waiting.Load()
	r := Report{Load: lb.Load{
		Known: true, InFlight: int(m.inflight.Load() + waiting), Queue: int(waiting), Service: time.Duration(m.service.get()),
	}}
	if s := m.recently.Load(); s != nil {
		r.CPU, r.Rate, r.Failures = s.cpu, s.rate, s.failures
	}
	r.Utilization = r.CPU
	if m.Utilization != nil {
		r.Application = m.Utilization()
		r.Utilization = r.Application
	}
	return r
}

func (m *Meter) now() time.Duration { return m.clock.now(m.Now) }

// clock counts from when it was first asked, monotonic.
type clock struct {
	once  sync.Once
	began time.Time
}

// now is the given clock's time, if there is one.
func (c *clock) now(given func() time.Duration) time.Duration {
	if given != nil {
		return given()
	}
	c.once.Do(func() { c.began = time.Now() })
	return time.Since(c.began)
}

// sample looks, now and then, how much was done since the last time.
func (m *Meter) sample(now time.Duration) {
	if int64(now) < m.next.Load() || !m.mu.TryLock() {
		return
	}
	defer m.mu.Unlock()
	if int64(now) < m.next.Load() {
		return
	}
	used := cpuTime()
	elapsed := (now - m.sampled).Seconds()
	first := m.next.Load() == 0
	last := m.recently.Load()
	m.next.Store(int64(now + sampleEvery))
	m.sampled = now
	cpu := (used - m.cpu).Seconds()
	m.cpu = used
	if first || elapsed <= 0 {
		return
	}
	s := sample{
		rate:     float64(m.calls.Swap(0)) / elapsed,
		failures: float64(m.failures.Swap(0)) / elapsed,
		cpu:      cpu / elapsed / float64(runtime.GOMAXPROCS(0)),
	}
	if last != nil {
		keep := math.Exp(-elapsed / sampleMemory.Seconds())
		s = sample{s.rate + (last.rate-s.rate)*keep, s.failures + (last.failures-s.failures)*keep, s.cpu + (last.cpu-s.cpu)*keep}
	}
	m.recently.Store(&s)
}

// average is a moving one over the last dozens of values.
type average struct{ bits atomic.Uint64 }

func (a *average) get() float64 { return math.Float64frombits(a.bits.Load()) }

func (a *average) learn(value float64) {
	for {
		word := a.bits.Load()
		next := value
		if word != 0 {
			old := math.Float64frombits(word)
			next = old + (value-old)/16
		}
		if a.bits.CompareAndSwap(word, math.Float64bits(max(next, 1))) {
			return
		}
	}
}
