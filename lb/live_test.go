package lb_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

func TestALiveConfigIsFollowedAndABadOneIsNot(t *testing.T) {
	live, err := lb.NewLive(lb.Config{Policy: "random"})
	if err != nil {
		t.Fatal(err)
	}
	tuning := live.Tuning()
	budget, changed := tuning.Retry().Budget, live.Changed()
	if tuning.Policy().Name() != "random" || tuning.Hedge() != nil || tuning.Retry().Max != 0 {
		t.Errorf("%s, %v, %+v", tuning.Policy().Name(), tuning.Hedge(), tuning.Retry())
	}

	if err := live.Set(lb.Config{Policy: "best"}); !errors.Is(err, lb.ErrConfig) {
		t.Errorf("%v", err)
	}
	select {
	case <-changed:
		t.Error("a config that was refused changed something")
	default:
	}

	budget.Call()
	next := lb.Config{Policy: "maglev", Retry: lb.RetryConfig{Max: 2, PerTry: time.Second, Budget: lb.BudgetConfig{PerSecond: -1, Ratio: 0.5}}, Hedge: &lb.HedgeConfig{}}
	if err := live.Set(next); err != nil {
		t.Fatal(err)
	}
	<-changed
	retry, hedge := tuning.Retry(), tuning.Hedge()
	if tuning.Policy().Name() != "maglev" || retry.Max != 2 || retry.PerTry != time.Second || hedge == nil {
		t.Errorf("%s, %+v, %v", tuning.Policy().Name(), retry, hedge)
	}
	if retry.Budget != budget || budget.Stats().Calls != 1 {
		t.Error("the budget forgot what it counted")
	}
	if !budget.Spend() || budget.Spend() {
		t.Error("half of one call may be sent again, rounded up: one")
	}

	next.Policy = "random"
	if err := live.Set(next); err != nil {
		t.Fatal(err)
	}
	if tuning.Hedge() != hedge {
		t.Error("the hedge forgot what it learned, and its settings are the same")
	}
	next.Hedge = &lb.HedgeConfig{Quantile: 0.99}
	if err := live.Set(next); err != nil {
		t.Fatal(err)
	}
	if got := tuning.Hedge(); got == hedge || got.Quantile != 0.99 {
		t.Errorf("%+v", got)
	}
}

func TestEachClientHasABudgetOfItsOwn(t *testing.T) {
	live, err := lb.NewLive(lb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	one, other := live.Tuning(), live.Tuning()
	if one.Retry().Budget == other.Retry().Budget {
		t.Error("two clients share one")
	}
}

func TestASubsetWithoutANameKeepsItsRandomOne(t *testing.T) {
	live, err := lb.NewLive(lb.Config{Subset: lb.Subset{Size: 3}})
	if err != nil {
		t.Fatal(err)
	}
	b := balancing(live.Policy(), instances(50)...)
	before := idsOf(b.Callable())
	if err := live.Set(lb.Config{Subset: lb.Subset{Size: 3}, Policy: "random"}); err != nil {
		t.Fatal(err)
	}
	b.SetPolicy(live.Policy())
	if after := idsOf(b.Callable()); len(after) != 3 || after[0] != before[0] || after[2] != before[2] {
		t.Errorf("the subset was %v, and is %v", before, after)
	}
}

func TestAConfigMayChangeWhileItIsUsed(t *testing.T) {
	live, err := lb.NewLive(lb.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tuning := live.Tuning()
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 1000 {
				retry := tuning.Retry()
				retry.Budget.Call()
				retry.Budget.Spend()
				tuning.Hedge()
				tuning.Policy()
			}
		})
	}
	for i := range 200 {
		c := lb.Config{Retry: lb.RetryConfig{Max: 1 + i%3, Budget: lb.BudgetConfig{Ratio: float64(i%10) / 10}}}
		if i%2 == 0 {
			c.Hedge = &lb.HedgeConfig{}
		}
		if err := live.Set(c); err != nil {
			t.Error(err)
		}
	}
	users.Wait()
	if tuning.Retry().Max != 1+199%3 {
		t.Errorf("%+v", tuning.Retry())
	}
}
