package lb_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
)

func spend(b *lb.Budget, most int) (n int) {
	for n < most && b.Spend() {
		n++
	}
	return n
}

func TestBudgetAllowsAShareOfTheCallsButAFewInAnyCase(t *testing.T) {
	tests := []struct {
		name   string
		budget lb.Budget
		calls  int
		want   int
	}{
		{"no calls", lb.Budget{}, 0, 30},
		{"few calls", lb.Budget{}, 100, 30},
		{"many calls", lb.Budget{}, 1000, 100},
		{"half", lb.Budget{Ratio: 0.5}, 1000, 500},
		{"one a second", lb.Budget{PerSecond: 1}, 0, 10},
		{"any number", lb.Budget{PerSecond: math.MaxInt}, 0, 1000},
		{"nothing for nothing", lb.Budget{PerSecond: -1}, 50, 5},
	}
	for i := range tests {
		test := &tests[i]
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for range test.calls {
					test.budget.Call()
				}
				if got := spend(&test.budget, 1000); got != test.want {
					t.Errorf("%d retries, want %d", got, test.want)
				}
				if s := test.budget.Stats(); s.Allowed < int64(test.want) {
					t.Errorf("%d are allowed, want %d at least", s.Allowed, test.want)
				}
			})
		})
	}
}

func TestBudgetForgetsAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &lb.Budget{}
		for range 10 {
			for range 100 {
				b.Call()
			}
			time.Sleep(time.Second)
		}
		// The first of the ten seconds has just gone.
		if got := spend(b, 1000); got != 90 {
			t.Errorf("%d retries of the calls of nine seconds, want 90", got)
		}
		time.Sleep(9 * time.Second)
		if b.Spend() {
			t.Error("spent twice")
		}
		time.Sleep(time.Second)
		if got := spend(b, 1000); got != 30 {
			t.Errorf("%d retries after everything was forgotten, want 30", got)
		}
	})
}

func TestBudgetCountsEveryCallOfSeveralCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &lb.Budget{PerSecond: -1}
		var callers sync.WaitGroup
		var spent atomic.Int64
		for range 8 {
			callers.Go(func() {
				for range 1000 {
					b.Call()
				}
			})
		}
		callers.Wait()
		for range 8 {
			callers.Go(func() { spent.Add(int64(spend(b, 1000))) })
		}
		callers.Wait()
		if spent.Load() != 800 {
			t.Errorf("%d retries, want 800", spent.Load())
		}
	})
}

func TestRetryStopsWhenTheBudgetIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.RoundRobin, instances(3)...)
		retry := lb.Retry{Budget: &lb.Budget{}}
		sent, refused := 0, 0
		for range 1000 {
			call := &lb.Call{Idempotent: true}
			err := retry.Do(context.Background(), call, func(context.Context) error {
				sent++
				picked, err := b.Pick(call)
				if err == nil {
					picked.Done(lb.Outcome{Result: lb.Failure})
					err = errBroken
				}
				return err
			}, func(error) lb.Verdict { return lb.Verdict{Safety: lb.IfIdempotent} })
			if !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
			if errors.Is(err, lb.ErrBudget) {
				refused++
			}
		}
		if sent > 1000+1000/10+30 {
			t.Errorf("1000 calls were sent %d times", sent)
		}
		if refused < 900 {
			t.Errorf("%d errors say that the budget is spent", refused)
		}
	})
}

func TestRequestsThatNoServerHadDoNotSpendTheBudget(t *testing.T) {
	for _, verdict := range []lb.Verdict{{Safety: lb.Always}, {Safety: lb.IfIdempotent, Free: true}} {
		budget := &lb.Budget{PerSecond: -1}
		sent := 0
		err := lb.Retry{Budget: budget}.Do(context.Background(), &lb.Call{Idempotent: true},
			func(context.Context) error { sent++; return errBroken },
			func(error) lb.Verdict { return verdict })
		if sent != 3 || errors.Is(err, lb.ErrBudget) {
			t.Errorf("%+v: sent %d times, then %v", verdict, sent, err)
		}
	}
}

func TestAFreeTryIsNotYetASafeOne(t *testing.T) {
	sent := 0
	err := lb.Retry{}.Do(context.Background(), &lb.Call{},
		func(context.Context) error { sent++; return errBroken },
		func(error) lb.Verdict { return lb.Verdict{Safety: lb.IfIdempotent, Free: true} })
	if sent != 1 || !errors.Is(err, errBroken) {
		t.Errorf("sent %d times, then %v", sent, err)
	}
}

func BenchmarkBudgetCall(b *testing.B) {
	budget := &lb.Budget{}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			budget.Call()
		}
	})
}

func TestATryThatWouldComeTooLateCostsNoBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		budget := &lb.Budget{}
		retry := lb.Retry{Budget: budget, Backoff: lb.Backoff{Initial: time.Second, Max: time.Second}}
		sent := 0
		err := retry.Do(ctx, &lb.Call{Idempotent: true}, func(context.Context) error {
			sent++
			return errBroken
		}, verdict(lb.Verdict{Safety: lb.IfIdempotent}))
		if !errors.Is(err, errBroken) || errors.Is(err, lb.ErrBudget) || sent != 1 {
			t.Errorf("sent %d times, %v", sent, err)
		}
		if s := budget.Stats(); s.Spent != 0 || s.Retries != 0 {
			t.Errorf("spent %d, %d in the last seconds", s.Spent, s.Retries)
		}
	})
}
