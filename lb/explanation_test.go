package lb_test

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

func TestEveryPolicyExplainsItsPicks(t *testing.T) {
	for _, policy := range lb.Policies() {
		for _, call := range []*lb.Call{nil, {Key: "user-1"}} {
			b := balancing(lb.Routing{Policy: policy}, instances(7)...)
			x := b.Explain(call)
			if x.Rule == "" || x.Chosen == "" || x.Policy != policy.Name() || !x.Hypothetical || x.Total != 7 {
				t.Errorf("%s: %+v", policy.Name(), x)
			}
			if c := chosenOf(t, x); c.Addr != x.Addr || c.Reason != "" {
				t.Errorf("%s: chosen %+v", policy.Name(), c)
			}
		}
	}
}

// chosenOf returns the only candidate that was chosen.
func chosenOf(t *testing.T, x lb.Explanation) (chosen lb.Candidate) {
	t.Helper()
	n := 0
	for _, c := range x.Candidates {
		if c.Chosen {
			chosen = c
			n++
		}
	}
	if n != 1 || chosen.ID != x.Chosen {
		t.Fatalf("%d chosen candidates, the last one %q, in an explanation that chose %q", n, chosen.ID, x.Chosen)
	}
	return chosen
}

func TestAHypotheticalPickForetellsTheNextOneAndChangesNothing(t *testing.T) {
	weights := instances(3)
	for i, in := range weights {
		in.Weight = i + 1
	}
	for _, policy := range []lb.Policy{lb.RoundRobin, lb.SmoothWeighted, lb.RingHash, lb.Maglev, lb.Rendezvous, lb.BoundedLoad} {
		b := balancing(policy, weights...)
		call := &lb.Call{Key: "user-7"}
		for range 20 {
			first, second := b.Explain(call).Chosen, b.Explain(call).Chosen
			if got := pick(t, b, call).ID(); got != first || got != second {
				t.Errorf("%s: explained %s and %s, then picked %s", policy.Name(), first, second, got)
			}
		}
	}
}

func TestWhoHasTheBetterScoreIsChosen(t *testing.T) {
	for name, better := range map[string]func(a, b float64) bool{
		"least_request":   func(a, b float64) bool { return a <= b },
		"peak_ewma":       func(a, b float64) bool { return a <= b },
		"smooth_weighted": func(a, b float64) bool { return a >= b },
		"rendezvous":      func(a, b float64) bool { return a >= b },
		"ring_hash":       func(a, b float64) bool { return a <= b },
		"maglev":          func(a, b float64) bool { return a <= b },
	} {
		policy, err := lb.PolicyOf(name)
		if err != nil {
			t.Fatal(err)
		}
		b := balancing(policy, instances(6)...)
		for i := range 30 {
			picked, err := b.Pick(nil)
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				picked.Done(lb.Outcome{Latency: time.Duration(i+1) * time.Millisecond})
			}
		}
		for range 50 {
			x := b.Explain(&lb.Call{Key: "user-3"})
			chosen, compared := chosenOf(t, x), 0
			for _, c := range x.Candidates {
				if c.Score != nil {
					compared++
					if !better(*chosen.Score, *c.Score) {
						t.Errorf("%s chose %v, and there was %v", name, *chosen.Score, *c.Score)
					}
				}
			}
			if compared == 0 {
				t.Errorf("%s compared nobody", name)
			}
		}
	}
}

// reasons are those of the candidates, by id without "copy-0000".
func reasons(candidates []lb.Candidate) map[string]lb.Reason {
	all := map[string]lb.Reason{}
	for _, c := range candidates {
		if c.Reason != "" {
			all[strings.TrimPrefix(c.ID, "copy-0000")] = c.Reason
		}
	}
	return all
}

func TestEveryOneLeftOutHasItsReason(t *testing.T) {
	all := instances(9)
	all[0].Status, all[0].Reason = adsum.Critical, "disk full"
	all[1].Version = "2"
	for i := 3; i < 9; i++ {
		all[i].Zone = "a"
	}
	all[8].Zone = "b"
	policy := lb.Routing{
		Policy: lb.RoundRobin, Zone: "a", Filter: lb.Filter{Version: "1"}, Ejection: lb.Ejection{Consecutive: 1},
	}
	for i := range all {
		if i != 1 {
			all[i].Version = "1"
		}
	}
	b := lb.New(policy, lb.Options{Window: -1, TrackReachable: true})
	defer b.Close()
	b.Update(snapshot(3, all...))
	endpoints := b.Endpoints()
	for i, ep := range endpoints {
		if i != 2 {
			b.SetReachable(ep, true)
		}
	}
	eject(t, b, "copy-00003")

	x := b.Explain(&lb.Call{Tried: endpoints[4:5]})
	want := map[string]lb.Reason{
		"0": lb.ReasonStatus, "1": lb.ReasonFilter, "2": lb.ReasonUnreachable, "3": lb.ReasonEjected, "4": lb.ReasonTried, "8": lb.ReasonZone,
	}
	if got := reasons(x.Candidates); !maps.Equal(got, want) {
		t.Errorf("reasons %v, want %v", got, want)
	}
	for _, reason := range want {
		if x.LeftOut[reason] != 1 {
			t.Errorf("counted %d for %s", x.LeftOut[reason], reason)
		}
	}
	if x.Generation != 3 || x.Zone != "a" || x.Stays != 1 || x.SpillOver || x.Panicking || !slices.Equal(x.Tried, []string{"copy-00004"}) {
		t.Errorf("%+v", x)
	}
	if c := x.Candidates[0]; c.Detail != "critical: disk full" {
		t.Errorf("detail %q", c.Detail)
	}
	if c := x.Candidates[1]; c.Detail != `version "2", not "1"` {
		t.Errorf("detail %q", c.Detail)
	}
	until := x.Candidates[3].EjectedUntil
	if until == nil || time.Until(*until) < 20*time.Second || time.Until(*until) > 33*time.Second {
		t.Errorf("ejected until %v, want half a minute from now", until)
	}
}

// eject lets one endpoint fail until it is left alone.
func eject(t *testing.T, b *lb.Balancer, id string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		picked, err := b.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		outcome := lb.Outcome{}
		if picked.Endpoint.ID() == id {
			outcome.Result = lb.Failure
		}
		picked.Done(outcome)
		if b.Explain(nil).LeftOut[lb.ReasonEjected] > 0 {
			return
		}
	}
	t.Fatalf("%s was never ejected", id)
}

func TestOneOutsideTheSubsetIsTold(t *testing.T) {
	b := balancing(lb.Routing{Subset: lb.Subset{Client: "me", Size: 3}}, instances(10)...)
	x := b.Explain(nil)
	if x.LeftOut[lb.ReasonSubset] != 7 || len(x.LeftOut) != 1 {
		t.Errorf("left out %v, want 7 by the subset", x.LeftOut)
	}
}

func TestACallThatSpillsOverSaysSo(t *testing.T) {
	b := lb.New(lb.Routing{Policy: lb.RoundRobin, Zone: "a"}, lb.Options{Window: -1, Rand: func() uint64 { return math.MaxUint64 }})
	b.Update(snapshot(1, zoned(4, "a", "b", "b", "b")...))
	x := b.Explain(nil)
	if !x.SpillOver || x.LeftOut[lb.ReasonZone] != 4 || math.Abs(x.Stays-0.5) > 1e-9 {
		t.Errorf("spilled over %v, stays %v, left out %v; want true, 0.5 and 4 by the zone", x.SpillOver, x.Stays, x.LeftOut)
	}
}

func TestAPanicSaysSoAndKeepsWhoIsEjectedInSight(t *testing.T) {
	b := balancing(lb.Routing{Policy: lb.RoundRobin, Ejection: lb.Ejection{Consecutive: 1, MaxShare: 1}}, instances(4)...)
	defer b.Close()
	for _, id := range []string{"copy-00000", "copy-00001", "copy-00002"} {
		for b.Explain(nil).Candidates[id[len(id)-1]-'0'].EjectedUntil == nil {
			picked, err := b.Pick(nil)
			if err != nil {
				t.Fatal(err)
			}
			result := lb.Success
			if picked.Endpoint.ID() == id {
				result = lb.Failure
			}
			picked.Done(lb.Outcome{Result: result})
		}
	}
	for !b.Panicking() {
		time.Sleep(time.Millisecond)
	}
	x := b.Explain(nil)
	away := 0
	for _, c := range x.Candidates {
		if c.EjectedUntil != nil {
			away++
		}
	}
	if !x.Panicking || away != 3 || len(x.LeftOut) != 0 {
		t.Errorf("panic %v, %d ejected, left out %v; want a panic, 3 and nobody", x.Panicking, away, x.LeftOut)
	}
}

func TestOneThatHasEnoughToDoIsLeftOutByItsLimit(t *testing.T) {
	b := balancing(lb.BoundedLoad, instances(4)...)
	call := &lb.Call{Key: "hot"}
	first, err := b.Pick(call)
	if err != nil {
		t.Fatal(err)
	}
	x := b.Explain(call)
	if got := x.LeftOut[lb.ReasonLimit]; got != 1 || x.Chosen == first.Endpoint.ID() {
		t.Errorf("left out %v, chosen %s; %s has a call under way", x.LeftOut, x.Chosen, first.Endpoint.ID())
	}
}

func TestAnExplanationOfAPinnedCallKeepsToThePinAndLeavesIt(t *testing.T) {
	b := balancing(lb.Random, instances(50)...)
	ctx := lb.Pin(context.Background())
	b.Explain(lb.NewCall(ctx)) // pins nothing
	pinned := pick(t, b, lb.NewCall(ctx)).ID()
	x := b.Explain(lb.NewCall(ctx))
	if x.Chosen != pinned || !strings.Contains(x.Rule, "pinned") {
		t.Errorf("chose %s by the rule %q, want %s, pinned", x.Chosen, x.Rule, pinned)
	}
	call := lb.NewCall(ctx)
	for _, ep := range b.Endpoints() {
		if ep.ID() == pinned {
			call.Tried = append(call.Tried, ep)
		}
	}
	b.Explain(call)
	if again := pick(t, b, lb.NewCall(ctx)).ID(); again != pinned {
		t.Errorf("the explanation moved the pin from %s to %s", pinned, again)
	}
}

func TestExplainSaysWhyThereIsNobody(t *testing.T) {
	b := lb.New(lb.Routing{}, lb.Options{Window: -1})
	if x := b.Explain(nil); x.Chosen != "" || !strings.Contains(x.Error, "nothing is known") {
		t.Errorf("%+v", x)
	}
	b.Update(snapshot(1, instance(0, adsum.Critical)))
	if x := b.Explain(nil); !strings.Contains(x.Error, "none of them passing") || x.LeftOut[lb.ReasonStatus] != 1 {
		t.Errorf("%+v", x)
	}
}

func TestAPolicyThatDoesNotTellIsExplainedAsFarAsItGoes(t *testing.T) {
	b := balancing(Heaviest{}, instances(3)...)
	if x := b.Explain(nil); x.Chosen == "" || x.Rule != "" || x.Policy != "heaviest" {
		t.Errorf("%+v", x)
	}
}

func TestAHypotheticalPickIsNoCallUnderWay(t *testing.T) {
	b := balancing(lb.LeastRequest, instances(1)...)
	b.Explain(nil)
	if n := b.Endpoints()[0].InFlight(); n != 0 {
		t.Errorf("%d calls under way", n)
	}
}

// The keys are a contract.
func TestTheKeysOfAnExplanationStay(t *testing.T) {
	b := balancing(lb.LeastRequest, instances(2)...)
	x := keysOf(t, b.Explain(nil))
	want := []string{"addr", "candidates", "chosen", "error", "generation", "hypothetical", "key", "keyed", "left_out", "panicking", "policy", "rule",
		"service", "spill_over", "stays", "time", "total", "tried", "zone"}
	if got := slices.Sorted(maps.Keys(x)); !slices.Equal(got, want) {
		t.Errorf("keys %v", got)
	}
	candidate := x["candidates"].([]any)[0].(map[string]any)
	want = []string{"addr", "chosen", "detail", "ejected_until", "id", "in_flight", "latency_seconds", "protocol", "reason", "score", "status",
		"version", "weight", "zone"}
	if got := slices.Sorted(maps.Keys(candidate)); !slices.Equal(got, want) {
		t.Errorf("keys of a candidate %v", got)
	}
	want = []string{"age_seconds", "changed_at", "endpoints", "error", "from_disk", "generation", "panicking", "policy", "recent", "service",
		"skipped", "stale", "stale_since", "transport"}
	if got := slices.Sorted(maps.Keys(keysOf(t, b.Inspect()))); !slices.Equal(got, want) {
		t.Errorf("keys of an inspection %v", got)
	}
}

func keysOf(t *testing.T, v any) map[string]any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestScoresThatJSONCannotHoldDoNotBreakIt(t *testing.T) {
	b := balancing(infinite{}, instances(2)...)
	keysOf(t, b.Explain(nil))
}

// infinite is a policy with scores beyond all bounds.
type infinite struct{}

func (infinite) Name() string { return "infinite" }
func (infinite) Build(_ *lb.Env, eps []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return infinitePicker(eps)
}

type infinitePicker []*lb.Endpoint

func (p infinitePicker) Pick(*lb.Call) *lb.Endpoint { return p[0] }
func (p infinitePicker) Explain(_ *lb.Call, t *lb.Trace) *lb.Endpoint {
	t.Compare(p[0], math.Inf(1))
	t.Compare(p[1], math.NaN())
	return p[0]
}

func TestRealPicksAreRecordedAsTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inspector := &lb.Inspector{Picks: 8}
		b := lb.New(lb.Routing{Policy: lb.LeastRequest}, lb.Options{Window: -1, Inspector: inspector})
		defer b.Close()
		b.Update(snapshot(1, instances(5)...))
		var picked []string
		for range 8 {
			picked = append(picked, pick(t, b, &lb.Call{Key: "secret"}).ID())
		}
		slices.Reverse(picked)
		recent := b.Recent()
		if len(recent) != 8 {
			t.Fatalf("%d recorded", len(recent))
		}
		for i, x := range recent {
			if x.Chosen != picked[i] || x.Hypothetical || x.Key != "" || !x.Keyed {
				t.Errorf("pick %d: recorded %+v, picked %s", i, x, picked[i])
			}
			if chosenOf(t, x).Score == nil {
				t.Errorf("pick %d: no score", i)
			}
		}
	})
}

func TestABurstIsRecordedAndALastingStreamIsSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lb.New(lb.RoundRobin, lb.Options{Window: -1, Inspector: &lb.Inspector{Picks: 1000}})
		defer b.Close()
		b.Update(snapshot(1, instances(5)...))
		for range 1000 {
			pick(t, b, nil)
		}
		if got := len(b.Recent()); got != 1000 {
			t.Errorf("%d of a burst of 1000 recorded", got)
		}
		newest := b.Recent()[0].Time
		for range 1000 { // for a second
			time.Sleep(time.Millisecond)
			pick(t, b, nil)
		}
		n := slices.IndexFunc(b.Recent(), func(x lb.Explanation) bool { return !x.Time.After(newest) })
		if n < 95 || n > 105 {
			t.Errorf("%d of a thousand in a second recorded, want 100", n)
		}
	})
}

func TestARecordIsBoundedAndNamesWhoCounted(t *testing.T) {
	b := lb.New(lb.Routing{Policy: lb.LeastRequest}, lb.Options{Window: -1, Inspector: &lb.Inspector{}})
	defer b.Close()
	all := instances(1000)
	for _, in := range all[500:] {
		in.Status = adsum.Draining
	}
	b.Update(snapshot(1, all...))
	for range 100 {
		pick(t, b, nil)
	}
	recent := b.Recent()
	if len(recent) != 32 {
		t.Errorf("%d picks recorded, want 32", len(recent))
	}
	for _, x := range recent {
		compared := 0
		for _, c := range x.Candidates {
			if c.Score != nil {
				compared++
			}
		}
		chosenOf(t, x)
		if len(x.Candidates) > 32 || compared != 2 || x.Total != 1000 || x.LeftOut[lb.ReasonStatus] != 500 {
			t.Fatalf("%d candidates, %d compared, %d in all, left out %v", len(x.Candidates), compared, x.Total, x.LeftOut)
		}
	}
}

func TestPicksThatFindNobodyAreRecordedToo(t *testing.T) {
	b := lb.New(lb.RoundRobin, lb.Options{Window: -1, Inspector: &lb.Inspector{}})
	defer b.Close()
	if _, err := b.Pick(nil); err == nil || len(b.Recent()) != 1 || b.Recent()[0].Error != err.Error() {
		t.Errorf("%v; recorded %+v", err, b.Recent())
	}
}

func TestAnInspectorHasTheBalancersThatAreOpen(t *testing.T) {
	inspector := &lb.Inspector{Picks: -1}
	services := func() (names []string) {
		for _, b := range inspector.Balancers() {
			names = append(names, b.Service()+" "+b.Inspect().Transport)
		}
		return names
	}
	web := lb.New(lb.RoundRobin, lb.Options{Window: -1, Inspector: inspector, Transport: "http"})
	book := lb.New(lb.RoundRobin, lb.Options{Window: -1, Inspector: inspector, Transport: "grpc"})
	web.Update(&adsum.Snapshot{Service: "web", Generation: 1})
	book.Update(snapshot(1, instances(1)...))
	if got := services(); !slices.Equal(got, []string{"book grpc", "web http"}) {
		t.Errorf("%v", got)
	}
	pick(t, book, nil)
	if got := book.Recent(); len(got) != 0 {
		t.Errorf("recorded %v, and was told not to", got)
	}
	book.Close()
	book.Close()
	if got := services(); !slices.Equal(got, []string{"web http"}) {
		t.Errorf("%v", got)
	}
	web.Close()
}

func TestABalancerCanBeLookedAtWhileItWorks(t *testing.T) {
	inspector := &lb.Inspector{}
	b := lb.New(lb.Routing{Zone: "a", SlowStart: time.Second}, lb.Options{Window: -1, Inspector: inspector})
	defer b.Close()
	done := make(chan struct{})
	var looks atomic.Int64
	go func() {
		defer close(done)
		for i := 0; i < 200 || looks.Load() < 10; i++ {
			b.Update(snapshot(uint64(i+1), zoned(3+i%5, "a", "b")...))
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		if picked, err := b.Pick(nil); err == nil {
			picked.Done(lb.Outcome{Result: lb.Result(n % 3)})
		}
		for _, b := range inspector.Balancers() {
			b.Explain(&lb.Call{Key: "k", Tried: b.Endpoints()})
			b.Inspect()
			looks.Add(1)
		}
	}
}

func TestWhoMayNotBeCalledIsPassedOverWithTheReason(t *testing.T) {
	b := balancing(lb.Routing{Policy: lb.RoundRobin, Limit: lb.Limit{Max: 1}, Circuit: lb.Circuit{Failures: 0.5, Calls: 1}}, instances(3)...)
	defer b.Close()
	for range 3 {
		picked, err := b.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		outcome := lb.Outcome{}
		if picked.Endpoint.ID() == "copy-00001" {
			outcome.Result = lb.Failure
		}
		picked.Done(outcome)
	}
	busy, err := b.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		x := b.Explain(nil)
		if x.LeftOut[lb.ReasonCircuit] != 1 || x.LeftOut[lb.ReasonLimit] != 1 || x.Chosen == busy.Endpoint.ID() || x.Chosen == "copy-00001" || len(x.Tried) != 0 {
			t.Errorf("chose %s, left out %v, tried %v", x.Chosen, x.LeftOut, x.Tried)
		}
	}
	other, err := b.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	if x := b.Explain(nil); x.Chosen != "" || !strings.Contains(x.Error, "2 have as many calls under way") {
		t.Errorf("chose %q: %s", x.Chosen, x.Error)
	}
	busy.Done(lb.Outcome{})
	other.Done(lb.Outcome{})
	if x := b.Explain(nil); x.Chosen == "" || x.LeftOut[lb.ReasonLimit] != 0 {
		t.Errorf("%+v", x)
	}
}
