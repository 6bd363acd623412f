package lb

import (
	"sync/atomic"
	"unsafe"
)

// meter counts calls, in lanes so that cores seldom meet.
type meter [16]lane

// lane has a cache line to itself.
type lane struct {
	begun, ended, failures, none, retries, refused, hedges, limited atomic.Uint64
}

// lane is that of the goroutine, by where its stack lies; see generator.
func (m *meter) lane() *lane {
	var here byte
	return &m[uint64(uintptr(unsafe.Pointer(&here)))>>11*golden>>60]
}

func (m *meter) stats() CallStats {
	var s CallStats
	var begun uint64
	for i := range m {
		l := &m[i]
		// Ends first: a call must not be seen to end before it began.
		s.Calls += l.ended.Load()
		s.Failures += l.failures.Load()
		s.NoEndpoint += l.none.Load()
		s.Retries += l.retries.Load()
		s.OverBudget += l.refused.Load()
		s.Hedges += l.hedges.Load()
		s.Limited += l.limited.Load()
	}
	for i := range m {
		begun += m[i].begun.Load()
	}
	s.InFlight = int64(begun - s.Calls)
	s.Picks = s.Calls + s.Retries + s.Hedges - min(s.NoEndpoint, s.Calls)
	return s
}
