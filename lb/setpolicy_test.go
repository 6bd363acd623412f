package lb_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
)

func TestANewPolicyKeepsWhatWasLearned(t *testing.T) {
	b := balancing(lb.Routing{}, instances(2)...)
	defer b.Close()
	for range 20 {
		picked, err := b.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		latency := time.Millisecond
		if picked.Endpoint.ID() == "copy-00001" {
			latency = time.Second
		}
		picked.Done(lb.Outcome{Latency: latency})
	}
	before := b.Endpoints()
	b.SetPolicy(lb.RoundRobin)
	if ids := pickIDs(t, b, 4); ids[0] == ids[1] || ids[0] != ids[2] {
		t.Errorf("picks after the change to round robin: %v", ids)
	}
	b.SetPolicy(lb.Routing{Zone: ""})
	if !slices.Equal(b.Endpoints(), before) {
		t.Error("the endpoints are others")
	}
	if slow := b.Explain(nil).Candidates[1].LatencySeconds; slow < 0.5 {
		t.Errorf("the slow one's latency is %v s now", slow)
	}
	if b.Stats().Policy != "peak_ewma" || b.Explain(nil).Policy != "peak_ewma" {
		t.Error("the policy's name is that of another")
	}
}

func TestACallEndsUnderThePolicyThatItBeganUnder(t *testing.T) {
	b := balancing(lb.LeastRequest, instances(1)...)
	counted, err := b.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.SetPolicy(lb.Routing{Policy: lb.RoundRobin}) // which hears of outcomes, and wants no times
	uncounted, err := b.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.SetPolicy(lb.PeakEWMA)
	counted.Done(lb.Outcome{})
	uncounted.Done(lb.Outcome{})
	ep := b.Endpoints()[0]
	if ep.InFlight() != 0 {
		t.Errorf("%d calls under way, and all have ended", ep.InFlight())
	}
	if l := b.Explain(nil).Candidates[0].LatencySeconds; l != 0 {
		t.Errorf("a latency of %v s was learned from calls that nobody timed", l)
	}
}

func TestWhoIsEjectedStaysSoUnderOtherSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.Routing{Policy: lb.RoundRobin}, instances(4)...)
		defer b.Close()
		failing(t, b, 40, is("copy-00002"))
		synctest.Wait()
		ejected := func() bool { return b.Explain(nil).LeftOut[lb.ReasonEjected] == 1 }
		if !ejected() {
			t.Fatal("nobody was ejected")
		}
		time.Sleep(10 * time.Second)
		b.SetPolicy(lb.Routing{Policy: lb.RoundRobin, Ejection: lb.Ejection{Time: time.Second}, Zone: "a"})
		if !ejected() {
			t.Error("other settings brought it back")
		}
		time.Sleep(25 * time.Second) // 30 s in all, within 10 %
		synctest.Wait()
		if ejected() {
			t.Error("it never came back")
		}
		b.SetPolicy(lb.Routing{Policy: lb.RoundRobin, NoEjection: true})
		if n := failing(t, b, 40, is("copy-00002")); n != 10 {
			t.Errorf("%d of 40 calls failed without ejection, want 10", n)
		}
	})
}

func TestTurningSlowStartOffWarmsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.Routing{SlowStart: time.Minute}, instances(1)...)
		defer b.Close()
		b.Update(snapshot(2, instances(2)...))
		cold := b.Endpoints()[1]
		if cold.Weight() > 0.2 {
			t.Fatalf("weight %v at first", cold.Weight())
		}
		b.SetPolicy(lb.Routing{SlowStart: 2 * time.Minute})
		time.Sleep(time.Minute)
		synctest.Wait()
		if w := cold.Weight(); w < 0.4 || w > 0.6 {
			t.Errorf("weight %v half-way through the new window", w)
		}
		b.SetPolicy(lb.Routing{})
		if w := cold.Weight(); w != 1 {
			t.Errorf("weight %v without slow start", w)
		}
	})
}

func TestAPolicyWithoutSlowStartWarmsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.Routing{SlowStart: time.Minute}, instances(1)...)
		defer b.Close()
		b.Update(snapshot(2, instances(2)...))
		cold := b.Endpoints()[1]
		b.SetPolicy(lb.SmoothWeighted)
		if w := cold.Weight(); w != 1 {
			t.Errorf("weight %v under a policy that knows of no slow start", w)
		}
		if got := counts(pickIDs(t, b, 100)); got["copy-00001"] != 50 {
			t.Errorf("picked %v", got)
		}
	})
}

func TestAnotherFilterCountsAtOnceAndIsTold(t *testing.T) {
	all := instances(2)
	all[1].Version = "2"
	told := 0
	b := lb.New(lb.Routing{Filter: lb.Filter{Version: "2"}}, lb.Options{Window: time.Hour, OnChange: func() { told++ }})
	defer b.Close()
	b.Update(snapshot(1, all...))
	before := told
	b.SetPolicy(lb.Routing{})
	if len(b.Callable()) != 2 || told <= before {
		t.Errorf("%d callable, told %d times", len(b.Callable()), told-before)
	}
	b.SetPolicy(lb.Routing{Filter: lb.Filter{Version: "3"}})
	if _, err := b.Pick(nil); err == nil || len(b.Callable()) != 0 {
		t.Errorf("%v, %d callable", err, len(b.Callable()))
	}
}

func TestAPolicyMayBeSetBeforeAnythingIsKnown(t *testing.T) {
	b := lb.New(lb.RoundRobin, lb.Options{Window: -1})
	b.SetPolicy(lb.Random)
	b.Update(snapshot(1, instances(1)...))
	pick(t, b, nil)
	if got := b.Stats().Policy; got != "random" {
		t.Errorf("policy %s", got)
	}
}

func TestPoliciesMayBeSetWhileCallsAreMade(t *testing.T) {
	b := balancing(lb.Routing{}, zoned(3, "a", "b")...)
	defer b.Close()
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for i := range 2000 {
				picked, err := b.Pick(&lb.Call{Key: "k"})
				if err != nil {
					t.Error(err)
					return
				}
				picked.Done(lb.Outcome{Result: lb.Result(i % 2)})
			}
		})
	}
	for range 5 {
		for _, policy := range lb.Policies() {
			b.SetPolicy(policy)
			b.SetPolicy(lb.Routing{Policy: policy, Zone: "a", SlowStart: time.Second, Ejection: lb.Ejection{Consecutive: 2}})
			b.SetPolicy(lb.Routing{Policy: policy, NoEjection: true})
		}
	}
	callers.Wait()
	for _, ep := range b.Endpoints() {
		if n := ep.InFlight(); n != 0 {
			t.Errorf("%s: %d calls under way after all ended", ep, n)
		}
	}
}
