package lbtest_test

import (
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbtest"
)

// What it is worth to know what servers say of themselves, as a ratio to round
// robin and to least request in the same world. Fifty clients that call
// fifty servers know next to nothing from their own calls alone.
func TestWhatServersSayOfThemselvesIsWorthKnowing(t *testing.T) {
	const many, few = 50, 10
	antagonists := func(i int, s *lbtest.Server) {
		s.Slower = func(now time.Duration) float64 {
			if (int(now/time.Second)+i)%4 == 0 {
				return 2.5
			}
			return 1
		}
	}
	pauses := func(i int, s *lbtest.Server) {
		s.Pause = func(now time.Duration) time.Duration {
			since := (now + time.Duration(i)*200*time.Millisecond) % (2 * time.Second)
			return max(100*time.Millisecond-since, 0)
		}
	}
	// Of each world: at most this share of round robin's and of least
	// request's p99, where it is limited.
	type limits struct{ roundRobin, leastRequest float64 }
	worlds := []struct {
		name    string
		n       int
		load    float64
		even    bool
		change  func(i int, s *lbtest.Server)
		lasts   time.Duration
		c3      limits
		reports limits // Prequal by the reports with answers
		probes  limits // and by probes
	}{
		// The calls themselves have a p99 of 46 ms, 0.87 of round
		// robin's: nobody can get below that.
		{"equal servers, exponential calls", many, 0.7, false, nil, 900 * time.Millisecond, limits{0.97, 0.95}, limits{0.97, 0.95}, limits{0.98, 0.96}},
		{"equal servers, even calls", many, 0.7, true, nil, 1200 * time.Millisecond, limits{0.92, 0.8}, limits{0.92, 0.8}, limits{1.03, 0.92}},
		{"0.4 of the speed in turn, for a quarter of the time", many, 0.7, false, antagonists, 1500 * time.Millisecond, limits{0.18, 0.32}, limits{0.17, 0.3}, limits{0.17, 0.3}},
		{"pauses of 100 ms, one every two seconds", few, 0.5, false, pauses, 8 * time.Second, limits{0.97, 0}, limits{0.97, 0}, limits{0.85, 0}},
	}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			in := func(name string, policy lb.Policy, probes bool) lbtest.Report {
				return simulate(t, name, policy, lbtest.World{
					Clients: w.n, Servers: lbtest.Fleet(w.n, w.change), Silent: !probes, Even: w.even,
					Rate: w.load * lbtest.Full(float64(w.n)), Lasts: w.lasts, Warm: 500 * time.Millisecond,
				})
			}
			roundRobin, leastRequest := in("round robin", lb.RoundRobin, false), in("least request", lb.LeastRequest, false)
			within := func(name string, ours lbtest.Report, most limits) {
				if r := float64(ours.P99) / float64(roundRobin.P99); r > most.roundRobin {
					t.Errorf("%s: p99 %.2f of round robin's, want at most %.2f", name, r, most.roundRobin)
				}
				if r := float64(ours.P99) / float64(leastRequest.P99); most.leastRequest > 0 && r > most.leastRequest {
					t.Errorf("%s: p99 %.2f of least request's, want at most %.2f", name, r, most.leastRequest)
				}
			}
			within("C3", in("C3", lb.C3, false), w.c3)
			within("Prequal by reports", in("Prequal by reports", lb.Prequal, false), w.reports)
			within("Prequal by probes", in("Prequal by probes", lb.Prequal, true), w.probes)
		})
	}
}
