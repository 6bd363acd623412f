package lb_test

import (
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
)

func TestNoEndpointHasMoreCallsThanItsLimit(t *testing.T) {
	b := balancing(lb.Routing{Limit: lb.Limit{Max: 3}}, instances(4)...)
	var picks []lb.Picked
	for range 12 {
		picked, err := b.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		picks = append(picks, picked)
	}
	for _, ep := range b.Endpoints() {
		if most, n := ep.Limit(); most != 3 || n != 3 {
			t.Errorf("%v has %d calls of %d", ep, n, most)
		}
	}
	if s := b.Stats(); s.Limit != 12 || s.Full != 4 || s.Open != 0 {
		t.Errorf("stats %+v, want a limit of 12 and 4 that are full", s)
	}
	_, err := b.Pick(&lb.Call{})
	limited, ok := errors.AsType[*lb.LimitedError](err)
	if !errors.Is(err, lb.ErrLimited) || errors.Is(err, lb.ErrNoEndpoint) || !ok || limited.Full != 4 || !strings.Contains(err.Error(), "not sent") {
		t.Errorf("got %v", err)
	}
	picks[5].Done(lb.Outcome{})
	picked, err := b.Pick(nil)
	if err != nil || picked.Endpoint != picks[5].Endpoint {
		t.Errorf("picked %v, %v; there is room at %v", picked.Endpoint, err, picks[5].Endpoint)
	}
}

func TestALimitIsKeptByManyCallersAtOnce(t *testing.T) {
	b := balancing(lb.Routing{Policy: lb.RoundRobin, Limit: lb.Limit{Max: 2}}, instances(3)...)
	var underWay [3]atomic.Int64
	at := map[*lb.Endpoint]int{}
	for i, ep := range b.Endpoints() {
		at[ep] = i
	}
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for range 500 {
				picked, err := b.Pick(nil)
				if err != nil {
					if !errors.Is(err, lb.ErrLimited) {
						t.Error(err)
					}
					continue
				}
				if n := underWay[at[picked.Endpoint]].Add(1); n > 2 {
					t.Errorf("%d calls under way", n)
				}
				underWay[at[picked.Endpoint]].Add(-1)
				picked.Done(lb.Outcome{})
			}
		})
	}
	callers.Wait()
	for _, ep := range b.Endpoints() {
		if _, n := ep.Limit(); n != 0 {
			t.Errorf("%d calls are left at %v", n, ep)
		}
	}
}

func TestAnAdaptiveLimitFallsWhereCallsGetSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.Routing{Policy: lb.RoundRobin, Limit: lb.Limit{Adaptive: true, Initial: 50, Max: 50}}, instances(1)...)
		defer b.Close()
		ep := b.Endpoints()[0]
		round := func(takes time.Duration) {
			var picks []lb.Picked
			for {
				picked, err := b.Pick(nil)
				if err != nil {
					break
				}
				picks = append(picks, picked)
			}
			time.Sleep(takes)
			for _, p := range picks {
				p.Done(lb.Outcome{})
			}
		}
		for range 30 {
			round(100 * time.Millisecond)
		}
		before, _ := ep.Limit()
		for range 30 {
			round(time.Second)
		}
		if after, n := ep.Limit(); before < 40 || after > before/2 || n != 0 {
			t.Errorf("the limit was %d and is %d when calls are ten times slower", before, after)
		}
	})
}

func TestACircuitIsTriedBeforeItCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		circuit := lb.Circuit{Failures: 0.5, Calls: 10, Open: time.Second, Trials: 2}
		b := balancing(lb.Routing{Policy: lb.RoundRobin, NoEjection: true, Circuit: circuit}, instances(1)...)
		defer b.Close()
		ep := b.Endpoints()[0]
		call := func(result lb.Result) error {
			picked, err := b.Pick(nil)
			if err == nil {
				picked.Done(lb.Outcome{Result: result})
			}
			return err
		}
		late, err := b.Pick(nil) // begins while all is well
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if err := call([]lb.Result{lb.Success, lb.Failure}[i%2]); err != nil {
				t.Fatal(err)
			}
		}
		limited, ok := errors.AsType[*lb.LimitedError](call(lb.Success))
		if !ok || limited.Open != 1 || !ep.CircuitOpen() {
			t.Fatalf("half of ten calls failed: %v", limited)
		}
		if s := b.Stats(); s.Open != 1 || s.Limit != 0 || s.Full != 0 {
			t.Errorf("stats %+v, want one open circuit", s)
		}
		late.Done(lb.Outcome{}) // and says nothing of now
		time.Sleep(time.Second)
		a, errA := b.Pick(nil)
		c, errC := b.Pick(nil)
		if _, err := b.Pick(nil); errA != nil || errC != nil || !errors.Is(err, lb.ErrLimited) {
			t.Fatalf("two trials: %v, %v; a third: %v", errA, errC, err)
		}
		a.Done(lb.Outcome{})
		c.Done(lb.Outcome{Result: lb.Failure})
		if err := call(lb.Success); !errors.Is(err, lb.ErrLimited) {
			t.Errorf("a trial failed: %v", err)
		}
		time.Sleep(time.Second)
		for range 3 { // a trial that tells nothing is none
			if err := call(lb.Ignored); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := call(lb.Success); err != nil {
				t.Fatal(err)
			}
		}
		if ep.CircuitOpen() {
			t.Error("two trials succeeded, and the circuit is open")
		}
		for range 9 { // what was before is forgotten
			if err := call(lb.Failure); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestACircuitForgetsWhatIsOlderThanItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.Routing{NoEjection: true, Circuit: lb.Circuit{Failures: 1, Calls: 10, Window: 10 * time.Second}}, instances(1)...)
		defer b.Close()
		for range 100 {
			picked, err := b.Pick(nil)
			if err != nil {
				t.Fatal(err)
			}
			picked.Done(lb.Outcome{Result: lb.Failure})
			time.Sleep(1200 * time.Millisecond) // nine in any ten seconds
		}
		if b.Endpoints()[0].CircuitOpen() {
			t.Error("opened by nine calls of ten")
		}
	})
}

func TestAGuardedPickDoesNotAllocate(t *testing.T) {
	b := balancing(lb.Routing{Limit: lb.Limit{Max: 10, Adaptive: true}, Circuit: lb.Circuit{Failures: 0.5}}, instances(10)...)
	defer b.Close()
	if n := testing.AllocsPerRun(1000, func() {
		picked, err := b.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		picked.Done(lb.Outcome{})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestForEverIsNoTimeThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ever := time.Duration(math.MaxInt64)
		b := balancing(lb.Routing{
			Policy:   lb.RoundRobin,
			Ejection: lb.Ejection{Time: ever, MaxTime: ever},
			Circuit:  lb.Circuit{Failures: 1, Calls: 10, Open: ever},
		}, instances(2)...)
		defer b.Close()
		time.Sleep(time.Second)
		if n := failing(t, b, 100, is("copy-00000")); n != 5 {
			t.Errorf("%d failures before it was ejected for ever, want 5", n)
		}
		time.Sleep(time.Hour)
		failing(t, b, 10, is("copy-00001"))
		time.Sleep(time.Hour)
		if _, err := b.Pick(nil); !errors.Is(err, lb.ErrLimited) {
			t.Errorf("after the other's circuit opened for ever: %v", err)
		}
	})
}
