package lb

import (
	"math"
	"sync"
	"testing"
	"time"
)

func TestPeakJumpsUpAndFadesDown(t *testing.T) {
	var p peak
	at := func(d time.Duration) tick { return tickOf(d) }
	about := func(now, want time.Duration) {
		t.Helper()
		if got := time.Duration(p.at(at(now))); math.Abs(float64(got-want)) > 0.01*float64(want) {
			t.Errorf("after %v: %v, want about %v", now, got, want)
		}
	}
	p.learn(10*time.Millisecond, at(0))
	about(0, 10*time.Millisecond)
	p.learn(100*time.Millisecond, at(0))
	about(0, 100*time.Millisecond)
	about(3*time.Second, 50*time.Millisecond)
	about(25*time.Second, 10*time.Millisecond)
	p.learn(10*time.Millisecond, at(3*time.Second))
	about(3*time.Second, 55*time.Millisecond)
}

func TestPeakOutlivesTheWrapOfItsClock(t *testing.T) {
	var p peak
	wrap := time.Duration(1) << (32 + tickBits)
	p.learn(time.Second, tickOf(wrap-time.Second))
	if got := time.Duration(p.at(tickOf(wrap + time.Second))); got > 650*time.Millisecond || got < 550*time.Millisecond {
		t.Errorf("after two seconds across the wrap: %v", got)
	}
}

func TestPeakFadesOverWeeks(t *testing.T) {
	for _, idle := range []time.Duration{time.Hour, 24 * time.Hour, 25 * 24 * time.Hour, 51 * 24 * time.Hour} {
		var p peak
		p.learn(time.Second, tickOf(time.Minute))
		now := tickOf(time.Minute + idle)
		if got := time.Duration(p.at(now)); got > time.Microsecond {
			t.Errorf("a second learned %v ago still counts for %v", idle, got)
		}
		p.learn(time.Millisecond, now)
		if got := time.Duration(p.at(now)); got > 1001*time.Microsecond {
			t.Errorf("%v after a second, a call of a millisecond makes it %v", idle, got)
		}
	}
}

func TestPeakMayBeLearnedAfterThePresentWasLookedAt(t *testing.T) {
	var p peak
	p.learn(time.Second, tickOf(time.Minute+time.Second))
	if got := time.Duration(p.at(tickOf(time.Minute))); got != time.Second {
		t.Errorf("got %v", got)
	}
}

func TestPeakDoesNotLoseThePeakOfSeveralLearners(t *testing.T) {
	var p peak
	var learners sync.WaitGroup
	for i := range 4 {
		learners.Go(func() {
			for n := range 1000 {
				p.learn(time.Duration(1+i*1000+n), 0)
			}
		})
	}
	learners.Wait()
	if got := time.Duration(p.at(0)); got != 4000 {
		t.Errorf("got %v, want the highest, 4µs", got)
	}
}

func FuzzHashIsStable(f *testing.F) {
	f.Add("")
	f.Add("key-1")
	f.Add("exactly8")
	f.Add("more than eight, and more than sixteen")
	f.Fuzz(func(t *testing.T, s string) {
		copied := string([]byte(s))
		if hash(s) != hash(copied) {
			t.Error("depends on more than the bytes")
		}
		if hash(s+"\x00") == hash(s) {
			t.Error("a zero byte more makes no difference")
		}
	})
}

func TestAliasDrawsEveryIndexByItsShare(t *testing.T) {
	a := newAlias([]float64{0.25, 0.25, 0.5, 3})
	n := make([]float64, 4)
	const steps = 1 << 16 // through the whole range of random numbers, evenly
	for i := range uint64(steps) {
		n[a.draw(i<<48|1<<47)]++
	}
	for i, want := range []float64{0.25, 0.25, 0.5, 3} {
		if got := n[i] * 4 / steps; math.Abs(got-want) > 0.001 {
			t.Errorf("index %d has a share of %v, want %v", i, got, want)
		}
	}
}
