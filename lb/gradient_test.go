package lb_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbtest"
)

// station is one server in virtual time, in front of which a gradient decides
// who is let in: an event loop on one goroutine.
type station struct {
	gradient *lb.Gradient
	workers  int                                          // that serve one call after the other
	mean     func(now time.Duration) time.Duration        // of the service time, which is exponential
	rate     func(now time.Duration) float64              // calls a second that arrive
	watch    func(now time.Duration, limit, inFlight int) // every tenth of a second

	seed uint64 // 1 if zero

	random  func() uint64
	now     time.Duration
	agenda  lbtest.Agenda
	waiting []time.Duration // since when
	busy    int
	served  []time.Duration // when they were
	refused int
}

func (s *station) in(d time.Duration, do func()) {
	s.agenda.Add(s.now+d, do)
}

func (s *station) exponential(mean float64) time.Duration {
	return time.Duration(-mean * math.Log((float64(s.random()>>11)+0.5)/(1<<53)))
}

func (s *station) inFlight() int { return s.busy + len(s.waiting) }

func (s *station) run(lasts time.Duration) {
	s.random = seeded(max(s.seed, 1))
	s.arrive()
	if s.watch != nil {
		s.look()
	}
	for at, do, ok := s.agenda.Next(); ok && at <= lasts; at, do, ok = s.agenda.Next() {
		s.now = at
		do()
	}
}

func (s *station) look() {
	s.watch(s.now, s.gradient.Limit(), s.inFlight())
	s.in(100*time.Millisecond, s.look)
}

func (s *station) arrive() {
	if s.inFlight() < s.gradient.Limit() {
		s.waiting = append(s.waiting, s.now)
		s.work()
	} else {
		s.refused++
	}
	s.in(s.exponential(float64(time.Second)/s.rate(s.now)), s.arrive)
}

func (s *station) work() {
	for s.busy < s.workers && len(s.waiting) > 0 {
		since := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.busy++
		s.in(s.exponential(float64(s.mean(s.now))), func() {
			s.gradient.Observe(s.now, s.now-since, int64(s.inFlight()))
			s.busy--
			s.served = append(s.served, s.now)
			s.work()
		})
	}
}

func always[T any](value T) func(time.Duration) T { return func(time.Duration) T { return value } }

// after calls f with the limits from then on.
func after(then time.Duration, f func(limit int)) func(time.Duration, int, int) {
	return func(now time.Duration, limit, _ int) {
		if now >= then {
			f(limit)
		}
	}
}

func TestAGradientFindsWhatAServerCanDo(t *testing.T) {
	for _, initial := range []int{4, 100, 1000} {
		var sum, n float64
		s := &station{
			gradient: &lb.Gradient{Initial: initial}, workers: 8,
			mean: always(10 * time.Millisecond), rate: always(2400.0), // three times what it can do
			watch: after(10*time.Second, func(limit int) { sum, n = sum+float64(limit), n+1 }),
		}
		s.run(30 * time.Second)
		t.Logf("from %4d: limit %.1f, %d served in half a minute", initial, sum/n, len(s.served))
		if mean := sum / n; mean < 9 || mean > 40 {
			t.Errorf("from %d: the limit is %.1f, want a few times the eight that are served at once", initial, mean)
		}
		if len(s.served) < 30*760 {
			t.Errorf("from %d: %d calls served in half a minute, want 95 %% of 24 000", initial, len(s.served))
		}
	}
}

func TestAGradientThatBeginsInAnOverloadFindsItsLimit(t *testing.T) {
	for _, workers := range []int{2, 8} {
		for _, initial := range []int{4, 100} {
			for seed := range uint64(10) {
				var sum, n float64
				s := &station{
					seed: seed + 1, gradient: &lb.Gradient{Initial: initial}, workers: workers,
					mean: always(10 * time.Millisecond), rate: always(300 * float64(workers)), // three times what it can do
					watch: after(8*time.Second, func(limit int) { sum, n = sum+float64(limit), n+1 }),
				}
				s.run(12 * time.Second)
				if mean := sum / n; mean > 10*float64(workers) {
					t.Errorf("%d workers, from %d, seed %d: the limit is %.0f", workers, initial, s.seed, mean)
				}
			}
		}
	}
}

func TestAGradientLetsInWhatDoesNotWait(t *testing.T) {
	s := &station{
		gradient: &lb.Gradient{}, workers: 1000,
		mean: always(100 * time.Millisecond), rate: always(3000.0),
	}
	s.run(30 * time.Second)
	if share := float64(s.refused) / float64(s.refused+len(s.served)); share > 0.06 {
		t.Errorf("%.1f %% refused by a server that had all it needs; the limit is %d", 100*share, s.gradient.Limit())
	}
}

func TestAGradientStaysWhereItIsWhileLittleIsAsked(t *testing.T) {
	s := &station{
		gradient: &lb.Gradient{}, workers: 8,
		mean: always(10 * time.Millisecond), rate: always(300.0),
		watch: func(now time.Duration, limit, _ int) {
			if limit != 100 {
				t.Fatalf("after %v the limit is %d, want the 100 of the beginning", now, limit)
			}
		},
	}
	s.run(30 * time.Second)
}

// What it calls has become three times slower for good, whatever is let in.
func TestAGradientLearnsThatIdleHasBecomeSlower(t *testing.T) {
	const slower = 20 * time.Second
	s := &station{
		gradient: &lb.Gradient{}, workers: 1000, rate: always(1000.0),
		mean: func(now time.Duration) time.Duration {
			if now < slower {
				return 50 * time.Millisecond
			}
			return 150 * time.Millisecond
		},
	}
	s.run(60 * time.Second)
	late := 0
	for _, at := range s.served {
		if at > 40*time.Second {
			late++
		}
	}
	t.Logf("limit %d, %d of 20 000 served in the last 20 seconds", s.gradient.Limit(), late)
	if late < 19_000 {
		t.Errorf("%d of 20 000 calls served in the last 20 seconds; the limit is %d", late, s.gradient.Limit())
	}
}

func TestRefusalsLowerTheLimit(t *testing.T) {
	g := &lb.Gradient{}
	for now := time.Duration(0); now < 3*time.Second; now += 5 * time.Millisecond {
		g.Observe(now, 10*time.Millisecond, int64(g.Limit()))
		g.Refuse(now)
	}
	if limit := g.Limit(); limit > 20 {
		t.Errorf("half of the calls are refused, and the limit is %d", limit)
	}
}

func TestAGradientKeepsItsBounds(t *testing.T) {
	g := &lb.Gradient{Min: 30, Max: 50}
	if g.Limit() != 50 {
		t.Errorf("it begins with %d, want 50", g.Limit())
	}
	for now := time.Duration(0); now < 10*time.Second; now += 5 * time.Millisecond {
		g.Refuse(now)
		if limit := g.Limit(); limit < 30 || limit > 50 {
			t.Fatalf("the limit is %d, want 30 to 50", limit)
		}
	}
	if g.Limit() != 30 {
		t.Errorf("the limit is %d, want 30", g.Limit())
	}
}

func TestAGradientIsForConcurrentUse(t *testing.T) {
	g := &lb.Gradient{Max: 200}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for now := time.Duration(0); now < 20*time.Second; now += 10 * time.Millisecond {
				g.Observe(now, 10*time.Millisecond, int64(g.Limit()))
			}
		})
	}
	group.Wait()
	if g.Limit() < 100 {
		t.Errorf("the limit is %d although nothing got slower", g.Limit())
	}
	now := 30 * time.Second
	if n := testing.AllocsPerRun(1000, func() { now += time.Millisecond; g.Observe(now, time.Millisecond, 5) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGradient(b *testing.B) {
	g := &lb.Gradient{}
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += 10 * time.Microsecond {
		g.Observe(now, time.Millisecond, 100)
	}
}
