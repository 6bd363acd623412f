package load_test

import (
	"math"
	"testing"
	"time"

	"github.com/adsum-go/adsum/load"
)

func TestAMeterTellsWhatTheServerDoes(t *testing.T) {
	var now time.Duration
	m := &load.Meter{Now: func() time.Duration { return now }, Utilization: func() float64 { return 0.3 }}
	for n := range 1000 { // two at a time, of 20 ms each, one of ten failing at once
		now += 10 * time.Millisecond
		if n%10 == 0 {
			m.Begin().Done(false)
			continue
		}
		call := m.Begin()
		now += 20 * time.Millisecond
		call.Done(true)
	}
	under := m.Begin()
	r := m.Report()
	if !r.Known || r.InFlight != 1 || r.Queue != 0 || r.Utilization != 0.3 {
		t.Errorf("%+v", r)
	}
	if r.Service != 20*time.Millisecond {
		t.Errorf("a call takes %v, want 20 ms", r.Service)
	}
	if want := 1000 / 28.0; math.Abs(r.Rate-want) > 0.1*want {
		t.Errorf("%.1f calls a second, want %.1f", r.Rate, want)
	}
	if want := 100 / 28.0; math.Abs(r.Failures-want) > 0.2*want {
		t.Errorf("%.1f failures a second, want %.1f", r.Failures, want)
	}
	under.Done(true)
	if n := testing.AllocsPerRun(100, func() { m.Begin().Done(true); m.Report() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAMeterSeesTheProcessorAtWork(t *testing.T) {
	m := &load.Meter{}
	m.Begin().Done(true)
	sum := 0
	for began := time.Now(); time.Since(began) < 250*time.Millisecond; {
		sum++
	}
	m.Begin().Done(true)
	if r := m.Report(); r.CPU <= 0 || r.CPU > 2 || r.Utilization != r.CPU {
		t.Errorf("after %d rounds of work the processor is used to %v", sum, r.CPU)
	}
}

func BenchmarkMeter(b *testing.B) {
	m := &load.Meter{}
	b.ReportAllocs()
	for b.Loop() {
		m.Begin().Done(true)
	}
}
