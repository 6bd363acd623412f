package lbtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbtest"
)

func simulate(t *testing.T, name string, policy lb.Policy, w lbtest.World) (r lbtest.Report) {
	t.Helper()
	w.Client = lbtest.Policy(policy)
	synctest.Test(t, func(*testing.T) { r = w.Run(1) })
	t.Logf("%-28s %s", name, r)
	return r
}

func slowed(by float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return by }
}

// Ten clients call ten servers. What is better about ours is asserted as a ratio
// to round robin in the same world.
func TestPeakEWMABeatsRoundRobin(t *testing.T) {
	type world struct {
		name      string
		load      float64 // of what ten equal servers bear
		change    func(i int, s *lbtest.Server)
		p99, p999 float64 // at most, relative to round robin
		errors    float64 // at most
		theirs    float64 // errors of round robin, at least
	}
	worlds := []world{
		// With many clients each knows only its own calls, and can do no
		// better than to take turns.
		{"equal servers", 0.7, nil, 1.1, 1.1, 0, 0},
		{"half of them at half speed", 0.56, func(i int, s *lbtest.Server) {
			if i%2 == 0 {
				s.Slower = slowed(2)
			}
		}, 0.15, 0.2, 0, 0.03},
		{"0.4 of the speed in turn, for a quarter of the time", 0.5, func(i int, s *lbtest.Server) {
			s.Slower = func(now time.Duration) float64 {
				if (int(now/time.Second)+i)%4 == 0 {
					return 2.5
				}
				return 1
			}
		}, 0.6, 0.7, 0, 0},
		{"one of ten at a tenth", 0.6, func(i int, s *lbtest.Server) {
			if i == 3 {
				s.Slower = slowed(10)
			}
		}, 0.1, 0.15, 0, 0.05},
		{"one of ten fails at once", 0.5, func(i int, s *lbtest.Server) { s.Fails = i == 3 }, 1.1, 1.1, 0.0002, 0.09},
		{"pauses of 100 ms, one every two seconds", 0.5, func(i int, s *lbtest.Server) {
			s.Pause = func(now time.Duration) time.Duration {
				since := (now + time.Duration(i)*200*time.Millisecond) % (2 * time.Second)
				return max(100*time.Millisecond-since, 0)
			}
		}, 1.1, 1.1, 0, 0},
	}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			in := func(name string, policy lb.Policy) lbtest.Report {
				return simulate(t, name, policy, lbtest.World{
					Clients: 10, Servers: lbtest.Fleet(10, w.change), Rate: w.load * lbtest.Full(10),
					Lasts: 10 * time.Second, Warm: 2 * time.Second,
				})
			}
			theirs := in("round robin", lb.RoundRobin)
			in("least request", lb.LeastRequest) // for the table in docs/balancing.md
			ours := in("peak EWMA", lb.PeakEWMA)
			if r := float64(ours.P99) / float64(theirs.P99); r > w.p99 {
				t.Errorf("p99: %.2f of round robin's, want at most %.2f", r, w.p99)
			}
			if r := float64(ours.P999) / float64(theirs.P999); r > w.p999 {
				t.Errorf("p99.9: %.2f of round robin's, want at most %.2f", r, w.p999)
			}
			if ours.Errors > w.errors {
				t.Errorf("%.3f %% errors, want at most %.3f %%", 100*ours.Errors, 100*w.errors)
			}
			if theirs.Errors < w.theirs {
				t.Errorf("round robin has %.3f %% errors: the world is too kind", 100*theirs.Errors)
			}
		})
	}
}

func TestLeastRequestBeatsRoundRobinWhereClientsAreFew(t *testing.T) {
	in := func(name string, policy lb.Policy) lbtest.Report {
		return simulate(t, name, policy, lbtest.World{
			Clients: 1, Servers: lbtest.Fleet(10, nil), Rate: 0.7 * lbtest.Full(10), Lasts: 10 * time.Second, Warm: time.Second,
		})
	}
	theirs, ours := in("round robin", lb.RoundRobin), in("least request", lb.LeastRequest)
	if r := float64(ours.P99) / float64(theirs.P99); r > 0.98 {
		t.Errorf("p99: %.2f of round robin's", r)
	}
}

func TestRetriesHideACopyThatFailsAtOnce(t *testing.T) {
	r := simulate(t, "with retries", lb.Routing{}, lbtest.World{
		Clients: 10, Servers: lbtest.Fleet(10, func(i int, s *lbtest.Server) { s.Fails = i == 3 }),
		Rate: 0.5 * lbtest.Full(10), Lasts: 10 * time.Second, Tries: 3, Budget: true,
	})
	if r.Errors > 0 {
		t.Errorf("%.3f %% errors, want none", 100*r.Errors)
	}
}

func TestHedgingHidesPauses(t *testing.T) {
	in := func(name string, hedge float64) lbtest.Report {
		return simulate(t, name, lb.PeakEWMA, lbtest.World{
			Clients: 10, Rate: 0.4 * lbtest.Full(10), Lasts: 14 * time.Second, Warm: 3 * time.Second,
			Hedge: hedge, Budget: true, Cancels: true,
			Servers: lbtest.Fleet(10, func(i int, s *lbtest.Server) {
				s.Pause = func(now time.Duration) time.Duration { // one every ten seconds
					since := (now + time.Duration(i)*time.Second) % (10 * time.Second)
					return max(100*time.Millisecond-since, 0)
				}
			}),
		})
	}
	without, with := in("without", 0), in("with hedging", 0.95)
	if r := float64(with.P999) / float64(without.P999); r > 0.7 {
		t.Errorf("p99.9: %.2f of what it is without", r)
	}
	if with.Sent > 1.06 {
		t.Errorf("sent %.3f times", with.Sent)
	}
}

// For five seconds, the servers bear three quarters of what is asked of them.
// What remains wrong after that is the work of the retries.
func TestABudgetEndsARetryStorm(t *testing.T) {
	const dip, end = 5 * time.Second, 10 * time.Second
	in := func(name string, budget bool) lbtest.Report {
		return simulate(t, name, lb.PeakEWMA, lbtest.World{
			Clients: 10, Rate: 0.8 * lbtest.Full(10), Lasts: 20 * time.Second, Patience: 200 * time.Millisecond,
			Tries: 3, Budget: budget, Cancels: budget,
			Servers: lbtest.Fleet(10, func(_ int, s *lbtest.Server) {
				s.Slower = func(now time.Duration) float64 {
					if now >= dip && now < end {
						return 1 / 0.6
					}
					return 1
				}
			}),
		})
	}
	if last := lastFailure(in("three tries", false)); last < 19*time.Second {
		t.Error("without a budget the storm ended: the world is too kind")
	}
	if last := lastFailure(in("with a budget", true)); last > end+2*time.Second {
		t.Errorf("the last error is of %v, want one at most two seconds after the end", last)
	}
}

// lastFailure is when the last call that failed ended.
func lastFailure(r lbtest.Report) (last time.Duration) {
	for _, f := range r.Failed {
		last = max(last, f.Ended)
	}
	return last
}
