package lb_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// witness is an observer that keeps what it is told.
type witness struct {
	lb.Clients
	mu    sync.Mutex
	ended []lb.Ended
}

func (w *witness) CallEnded(_ context.Context, call lb.Ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, call)
}

func (w *witness) last() lb.Ended {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended[len(w.ended)-1]
}

var errSlow = errors.New("slow")

func TestAClientCountsCallsWithAllTheirTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		b := balancing(lb.RoundRobin, instances(3)...)
		budget := &lb.Budget{PerSecond: -1}
		client := lb.NewClient(lb.ClientOptions{Transport: "test", Service: "book", Budget: budget, Observer: w})
		closed := client.Open(b)
		retry := lb.Retry{Budget: budget}
		do := func(safety lb.Safety, fails int) {
			call := lb.NewCall(t.Context())
			call.Idempotent = true
			start := client.Begin()
			err := retry.Do(t.Context(), call, func(context.Context) error {
				time.Sleep(time.Second)
				pick(t, b, call)
				if fails--; fails >= 0 {
					return errSlow
				}
				return nil
			}, func(error) lb.Verdict { return lb.Verdict{Safety: safety} })
			client.End(t.Context(), start, call, lb.Ended{Err: err, Result: lb.ResultOf(t.Context(), err)})
		}
		do(lb.Always, 0)
		if e := w.last(); e.Tries != 1 || e.Endpoint == nil || e.Err != nil || e.Latency != time.Second || e.Transport != "test" || e.Service != "book" {
			t.Errorf("a call: %+v", e)
		}
		do(lb.Always, 2)
		if e := w.last(); e.Tries != 3 || e.Err != nil || e.Hedged {
			t.Errorf("a call that was tried three times: %+v", e)
		}
		do(lb.IfIdempotent, 1) // all of the budget
		do(lb.IfIdempotent, 1)
		if e := w.last(); !errors.Is(e.Err, lb.ErrBudget) || e.Tries != 1 {
			t.Errorf("a call without a budget: %+v", e)
		}
		running := client.Begin()
		stats := w.Stats()[0]
		want := lb.CallStats{Calls: 4, InFlight: 1, Failures: 1, Picks: 7, Retries: 3, OverBudget: 1}
		if stats.Calls != want || stats.Service != "book" || stats.Transport != "test" {
			t.Errorf("got %+v, want %+v", stats, want)
		}
		if stats.Balancer.Endpoints != 3 || stats.Balancer.Policy != "round_robin" {
			t.Errorf("balancer: %+v", stats.Balancer)
		}
		if stats.Budget != (lb.BudgetStats{Calls: 4, Retries: 1, Allowed: 1, Spent: 1, Refused: 1}) {
			t.Errorf("budget: %+v", stats.Budget)
		}
		call := lb.NewCall(t.Context())
		b.Update(snapshot(2))
		_, err := b.Pick(call)
		client.End(t.Context(), running, call, lb.Ended{Err: fmt.Errorf("no luck: %w", err), Result: lb.Failure})
		if got := client.Stats().Calls; got.NoEndpoint != 1 || got.Failures != 1 || got.InFlight != 0 || got.Picks != 7 {
			t.Errorf("with nobody to call: %+v", got)
		}
		client.End(t.Context(), client.Begin(), nil, lb.Ended{Err: &lb.LimitedError{}, Result: lb.Failure})
		if got := client.Stats().Calls; got.Limited != 1 || got.NoEndpoint != 2 || got.Failures != 1 || got.Picks != 7 {
			t.Errorf("with nobody that may be called: %+v", got)
		}
		closed()
		if left := w.Stats(); len(left) != 0 {
			t.Errorf("after it was closed: %+v", left)
		}
	})
}

func TestAnObserverIsToldOnceOfAClientThatIsOpenedTwice(t *testing.T) {
	w := &witness{}
	client := lb.NewClient(lb.ClientOptions{Service: "book", Observer: w})
	first, second := client.Open(balancing(lb.Random, instances(1)...)), client.Open(balancing(lb.Random, instances(2)...))
	first()
	if stats := w.Stats(); len(stats) != 1 || stats[0].Balancer.Endpoints != 2 {
		t.Errorf("while it is open: %+v", stats)
	}
	second()
	if len(w.Stats()) != 0 {
		t.Error("it is still there")
	}
}

func TestStatsTellWhoMayBeCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := instances(6)
		all[5].Status = adsum.Draining
		b := lb.New(lb.Routing{Policy: lb.RoundRobin}, lb.Options{Window: -1, TrackReachable: true})
		defer b.Close()
		if s := b.Stats(); s != (lb.Stats{Policy: "round_robin"}) {
			t.Errorf("at first: %+v", s)
		}
		b.Update(snapshot(1, all...))
		for _, ep := range b.Endpoints()[:4] {
			b.SetReachable(ep, true)
		}
		want := lb.Stats{Service: "book", Policy: "round_robin", Endpoints: 6, Callable: 5, Reachable: 4, Eligible: 4}
		if s := b.Stats(); s != want {
			t.Errorf("got %+v, want %+v", s, want)
		}
		bad := b.Endpoints()[0]
		for range 100 {
			picked, err := b.Pick(nil)
			if err != nil {
				t.Fatal(err)
			}
			outcome := lb.Outcome{Result: lb.Success}
			if picked.Endpoint == bad {
				outcome.Result = lb.Failure
			}
			picked.Done(outcome)
			synctest.Wait()
		}
		want.Eligible, want.Ejected, want.Ejections = 3, 1, 1
		if s := b.Stats(); s != want {
			t.Errorf("after one was ejected: got %+v, want %+v", s, want)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want.Eligible, want.Ejected = 4, 0
		if s := b.Stats(); s != want {
			t.Errorf("after it came back: got %+v, want %+v", s, want)
		}
	})
}

func TestCallsAreCountedByManyAtOnce(t *testing.T) {
	client := lb.NewClient(lb.ClientOptions{})
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 1000 {
				start := client.Begin()
				if s := client.Stats().Calls; s.InFlight < 1 {
					t.Errorf("%d in flight while one is", s.InFlight)
					return
				}
				client.End(t.Context(), start, nil, lb.Ended{})
			}
		})
	}
	running.Wait()
	if s := client.Stats().Calls; s != (lb.CallStats{Calls: 8000, Picks: 8000}) {
		t.Errorf("%+v", s)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	client := lb.NewClient(lb.ClientOptions{})
	call := lb.NewCall(t.Context())
	if n := testing.AllocsPerRun(1000, func() { client.End(t.Context(), client.Begin(), call, lb.Ended{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCountedCall(b *testing.B) {
	ctx := context.Background()
	for _, observed := range []bool{false, true} {
		opts := lb.ClientOptions{Transport: "test", Service: "book"}
		if observed {
			opts.Observer = &lb.Clients{}
		}
		b.Run(fmt.Sprintf("observed=%t", observed), func(b *testing.B) {
			client := lb.NewClient(opts)
			call := lb.NewCall(ctx)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					client.End(ctx, client.Begin(), call, lb.Ended{})
				}
			})
		})
	}
}
