package lb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// instances makes n passing copies of "book", sorted by id.
func instances(n int) []*adsum.Instance {
	list := make([]*adsum.Instance, n)
	for i := range list {
		list[i] = instance(i, adsum.Passing)
	}
	return list
}

func instance(i int, status adsum.Status) *adsum.Instance {
	return &adsum.Instance{
		ID: fmt.Sprintf("copy-%05d", i), Service: "book", Addr: fmt.Sprintf("127.0.0.1:%d", i+1), Weight: 1, Status: status,
	}
}

func snapshot(generation uint64, instances ...*adsum.Instance) *adsum.Snapshot {
	return &adsum.Snapshot{Service: "book", Generation: generation, Instances: instances}
}

// balancing returns a balancer that applies every change at once.
func balancing(policy lb.Policy, instances ...*adsum.Instance) *lb.Balancer {
	b := lb.New(policy, lb.Options{Window: -1})
	b.Update(snapshot(1, instances...))
	return b
}

func pick(t *testing.T, b *lb.Balancer, call *lb.Call) *lb.Endpoint {
	t.Helper()
	picked, err := b.Pick(call)
	if err != nil {
		t.Fatal(err)
	}
	picked.Done(lb.Outcome{})
	return picked.Endpoint
}

func pickIDs(t *testing.T, b *lb.Balancer, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = pick(t, b, nil).ID()
	}
	return ids
}

func idsOf(endpoints []*lb.Endpoint) []string {
	var ids []string
	for _, ep := range endpoints {
		ids = append(ids, ep.ID())
	}
	return ids
}

func TestOnlyPassingAndWarningEndpointsAreCallable(t *testing.T) {
	b := balancing(lb.Random,
		instance(0, adsum.Passing), instance(1, adsum.Warning), instance(2, adsum.Starting),
		instance(3, adsum.Draining), instance(4, adsum.Critical), instance(5, ""))
	want := []string{"copy-00000", "copy-00001", "copy-00005"}
	if got := idsOf(b.Callable()); !slices.Equal(got, want) {
		t.Errorf("callable: %v, want %v", got, want)
	}
	if got := len(b.Endpoints()); got != 6 {
		t.Errorf("%d endpoints, want all 6", got)
	}
}

func TestPickWithoutEndpointsSaysWhy(t *testing.T) {
	tests := []struct {
		name  string
		track bool
		s     *adsum.Snapshot
		want  string
	}{
		{"no snapshot", false, nil, "nothing is known"},
		{"unknown", false, snapshot(0), "nothing is known"},
		{"empty", false, snapshot(1), "no instance of book"},
		{"critical", false, snapshot(1, instance(0, adsum.Critical)), "none of them passing"},
		{"unreachable", true, snapshot(1, instance(0, adsum.Passing)), "none of them reachable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := lb.New(lb.RoundRobin, lb.Options{TrackReachable: test.track})
			if test.s != nil {
				b.Update(test.s)
			}
			_, err := b.Pick(nil)
			if !errors.Is(err, lb.ErrNoEndpoint) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrNoEndpoint with %q", err, test.want)
			}
		})
	}
}

func TestEmptinessThatBecomesKnownIsExplainedAnew(t *testing.T) {
	b := lb.New(lb.RoundRobin, lb.Options{Window: -1})
	b.Update(snapshot(0))
	b.Update(snapshot(1))
	if _, err := b.Pick(nil); err == nil || !strings.Contains(err.Error(), "no instance of book is registered") {
		t.Errorf("got %v", err)
	}
}

func TestEndpointsOutliveUpdates(t *testing.T) {
	before := instances(50)
	b := balancing(lb.Random, before...)
	original := map[string]*lb.Endpoint{}
	for _, ep := range b.Endpoints() {
		original[ep.ID()] = ep
		ep.Attach("what is known of " + ep.ID())
	}
	random := rand.New(rand.NewPCG(1, 2))
	for generation := uint64(2); generation < 200; generation++ {
		var now []*adsum.Instance
		for _, in := range before {
			switch random.IntN(4) {
			case 0: // it changes
				next := *in
				next.Weight = 1 + random.IntN(9)
				next.Status = adsum.Statuses()[random.IntN(5)]
				now = append(now, &next)
			case 1: // the driver hands out a copy that says the same
				same := *in
				now = append(now, &same)
			default:
				now = append(now, in)
			}
		}
		b.Update(snapshot(generation, now...))
		for i, ep := range b.Endpoints() {
			if ep != original[ep.ID()] || ep.Attached() != "what is known of "+ep.ID() {
				t.Fatalf("generation %d: %v is another endpoint", generation, ep)
			}
			if ep.Instance() != now[i] {
				t.Fatalf("generation %d: %v does not say what the registry says", generation, ep)
			}
			if got, want := ep.Weight(), float64(now[i].Weight); got != want {
				t.Fatalf("weight %v, want %v", got, want)
			}
		}
		before = now
	}
}

func TestAnotherAddressIsAnotherEndpoint(t *testing.T) {
	in := instance(0, adsum.Passing)
	b := lb.New(lb.Random, lb.Options{Window: -1, TrackReachable: true, Protocols: []string{"https", "http"}})
	b.Update(snapshot(1, in))
	first := b.Endpoints()
	b.SetReachable(first[0], true)

	moved := in.Clone()
	moved.Endpoints = map[string]string{"https": in.Addr}
	b.Update(snapshot(2, &moved))
	second := b.Endpoints()[0]
	if second == first[0] {
		t.Fatal("an endpoint that speaks another protocol now kept its state")
	}
	if second.Protocol() != "https" || second.Addr() != in.Addr {
		t.Errorf("%s by %q, want %s by https", second.Addr(), second.Protocol(), in.Addr)
	}
	if len(b.Callable()) != 0 {
		t.Error("the new endpoint is taken for connected because the old one was")
	}
	b.SetReachable(first[0], true) // a late word on the old one
	if len(b.Callable()) != 0 {
		t.Error("a word on the old endpoint made the new one callable")
	}
}

func TestReachabilitySurvivesUpdates(t *testing.T) {
	list := instances(5)
	b := lb.New(lb.RoundRobin, lb.Options{Window: -1, TrackReachable: true})
	b.Update(snapshot(1, list...))
	eps := b.Endpoints()
	b.SetReachable(eps[1], true)
	b.SetReachable(eps[3], true)
	b.Update(snapshot(2, list[1], list[2], list[3], instance(7, adsum.Passing)))
	if got, want := idsOf(b.Callable()), []string{"copy-00001", "copy-00003"}; !slices.Equal(got, want) {
		t.Errorf("callable %v, want %v", got, want)
	}
	b.SetReachable(eps[3], false)
	if got, want := idsOf(b.Callable()), []string{"copy-00001"}; !slices.Equal(got, want) {
		t.Errorf("callable %v, want %v", got, want)
	}
}

func TestASlicePublishedIsNeverModified(t *testing.T) {
	list := instances(4)
	b := balancing(lb.RoundRobin, list...)
	held := b.Endpoints()
	want := slices.Clone(held)
	moved := *list[2]
	moved.Addr = "127.0.0.1:999"
	b.Update(snapshot(2, list[0], list[1], &moved, list[3]))
	b.Update(snapshot(3, list[0], list[3]))
	if !slices.Equal(held, want) {
		t.Errorf("a slice handed out before has changed to %v", idsOf(held))
	}
}

func TestRoundRobinGoesRound(t *testing.T) {
	b := balancing(lb.RoundRobin, instances(7)...)
	counts := map[string]int{}
	ids := pickIDs(t, b, 7*10)
	for i, id := range ids {
		counts[id]++
		if i >= 7 && id != ids[i-7] {
			t.Fatalf("pick %d is %s, a round before it was %s", i, id, ids[i-7])
		}
	}
	for id, n := range counts {
		if n != 10 {
			t.Errorf("%s picked %d times of 70, want 10", id, n)
		}
	}
}

// After any change of the set, the turn is the next endpoint's by id.
func TestRoundRobinKeepsItsTurnOverUpdates(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	all := instances(20)
	b := balancing(lb.RoundRobin, all...)
	last := pick(t, b, nil).ID()
	for generation := uint64(2); generation < 500; generation++ {
		var now []*adsum.Instance
		for _, in := range all {
			if random.IntN(3) > 0 {
				now = append(now, in)
			}
		}
		b.Update(snapshot(generation, now...))
		for range random.IntN(2 * len(all)) {
			if len(now) == 0 {
				break
			}
			next := now[0].ID
			for _, in := range now {
				if in.ID > last {
					next = in.ID
					break
				}
			}
			if got := pick(t, b, nil).ID(); got != next {
				t.Fatalf("generation %d: after %s came %s, want %s", generation, last, got, next)
			}
			last = next
		}
	}
}

func TestRoundRobinBalancersStartAtDifferentPlaces(t *testing.T) {
	starts := map[string]bool{}
	for range 100 {
		b := balancing(lb.RoundRobin, instances(10)...)
		b.Update(snapshot(2, instances(11)...)) // before the first pick
		starts[pick(t, b, nil).ID()] = true
	}
	if len(starts) < 5 {
		t.Errorf("100 clients of 10 endpoints began with only %d of them", len(starts))
	}
}

func TestRandomIsFair(t *testing.T) {
	const n, picks = 20, 40_000
	for name, random := range map[string]func() uint64{
		"its own generator": nil,
		"one handed in":     rand.New(rand.NewPCG(5, 6)).Uint64,
	} {
		t.Run(name, func(t *testing.T) {
			b := lb.New(lb.Random, lb.Options{Rand: random})
			b.Update(snapshot(1, instances(n)...))
			counts := map[string]int{}
			pairs := map[[2]string]int{}
			ids := pickIDs(t, b, picks)
			for i, id := range ids {
				counts[id]++
				if i > 0 {
					pairs[[2]string{ids[i-1], id}]++
				}
			}
			// The quantiles of χ² at 1 − 10⁻⁹, for 19 and 399 degrees of
			// freedom.
			if chi := chiSquare(counts, n, picks); chi > 82 {
				t.Errorf("χ² %.1f: not uniform: %v", chi, counts)
			}
			if chi := chiSquare(pairs, n*n, picks-1); chi > 590 {
				t.Errorf("χ² %.1f: a pick depends on the one before it", chi)
			}
		})
	}
}

// chiSquare measures how far counts are from uniform over the cells.
func chiSquare[K comparable](counts map[K]int, cells, total int) float64 {
	want := float64(total) / float64(cells)
	chi := want * float64(cells-len(counts)) // cells that were never hit
	for _, c := range counts {
		d := float64(c) - want
		chi += d * d / want
	}
	return chi
}

func TestTriedEndpointsAreAvoidedWhileAnotherIsLeft(t *testing.T) {
	for _, policy := range []lb.Policy{lb.RoundRobin, lb.Random, stubborn{}} {
		t.Run(policy.Name(), func(t *testing.T) {
			b := balancing(policy, instances(5)...)
			call := &lb.Call{}
			for range 5 {
				ep := pick(t, b, call)
				if slices.Contains(call.Tried, ep) {
					t.Fatalf("%v was tried before", ep)
				}
				if call.Endpoint() != ep {
					t.Fatalf("the call says %v, picked was %v", call.Endpoint(), ep)
				}
				call.Tried = append(call.Tried, ep)
			}
			if ep := pick(t, b, call); ep == nil {
				t.Error("with every endpoint tried, none is picked")
			}
		})
	}
}

// stubborn always picks the first.
type stubborn struct{}

func (stubborn) Name() string { return "stubborn" }
func (stubborn) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return stubbornPicker{endpoints[0]}
}

type stubbornPicker struct{ ep *lb.Endpoint }

func (p stubbornPicker) Pick(*lb.Call) *lb.Endpoint { return p.ep }

func TestSecondTriesAreSpreadOverTheOthers(t *testing.T) {
	for _, policy := range []lb.Policy{lb.RoundRobin, lb.Random} {
		t.Run(policy.Name(), func(t *testing.T) {
			b := balancing(policy, instances(10)...)
			dead := b.Endpoints()[3]
			counts := map[string]int{}
			for range 10_000 {
				call := &lb.Call{}
				ep := pick(t, b, call)
				if ep == dead {
					call.Tried = []*lb.Endpoint{ep}
					ep = pick(t, b, call)
				}
				counts[ep.ID()]++
			}
			for id, n := range counts {
				if n > 1500 {
					t.Errorf("%s took %d of 10 000 calls, a fair share is about 1100", id, n)
				}
			}
		})
	}
}

func TestPinKeepsCallsOnOneCopyWhileItIsThere(t *testing.T) {
	list := instances(4)
	b := balancing(lb.RoundRobin, list...)
	ctx := lb.Pin(context.Background())
	first := pick(t, b, lb.NewCall(ctx))
	for range 20 {
		if ep := pick(t, b, lb.NewCall(ctx)); ep != first {
			t.Fatalf("pinned to %v, picked %v", first, ep)
		}
	}
	// It fails a call: that call moves on, and later ones stay with the new copy.
	call := lb.NewCall(ctx)
	call.Tried = []*lb.Endpoint{first}
	second := pick(t, b, call)
	if second == first {
		t.Fatal("the second try went to the copy that failed")
	}
	if ep := pick(t, b, lb.NewCall(ctx)); ep != second {
		t.Errorf("later calls went to %v, want %v", ep, second)
	}
	// It leaves.
	b.Update(snapshot(2, slices.DeleteFunc(slices.Clone(list), func(in *adsum.Instance) bool { return in.ID == second.ID() })...))
	third := pick(t, b, lb.NewCall(ctx))
	if third == second || pick(t, b, lb.NewCall(ctx)) != third {
		t.Error("the pin did not move to one other copy")
	}
}

func TestPinnedConcurrentCallsAgree(t *testing.T) {
	b := balancing(lb.Random, instances(50)...)
	ctx := lb.Pin(context.Background())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if _, err := b.Pick(lb.NewCall(ctx)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	first := pick(t, b, lb.NewCall(ctx))
	for range 50 {
		if ep := pick(t, b, lb.NewCall(ctx)); ep != first {
			t.Fatalf("%v, then %v", first, ep)
		}
	}
}

func TestPinsOfTwoServicesAreApart(t *testing.T) {
	books := balancing(lb.Random, instances(10)...)
	users := lb.New(lb.Random, lb.Options{})
	s := snapshot(1, instances(10)...)
	s.Service = "user"
	users.Update(s)
	ctx := lb.Pin(context.Background())
	book, user := pick(t, books, lb.NewCall(ctx)), pick(t, users, lb.NewCall(ctx))
	for range 10 {
		if pick(t, books, lb.NewCall(ctx)) != book || pick(t, users, lb.NewCall(ctx)) != user {
			t.Fatal("the pin of one service moved that of the other")
		}
	}
}

func TestACallTravelsInAContext(t *testing.T) {
	ctx := context.Background()
	if call := lb.CallFrom(ctx); call != nil {
		t.Errorf("a call from nowhere: %v", call)
	}
	hinted := lb.WithKey(lb.Pin(ctx), "user-7")
	one, other := lb.CallFrom(hinted), lb.CallFrom(hinted)
	if one == nil || one == other || one.Key != "user-7" {
		t.Errorf("want a call of its own each time, with the key: %v, %v", one, other)
	}
	if carried := lb.CallFrom(lb.WithCall(hinted, one)); carried != one {
		t.Errorf("got %p, want the call carried, %p", carried, one)
	}
}

func TestABurstOfChangesIsCompiledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counting := &countingPolicy{}
		b := lb.New(counting, lb.Options{TrackReachable: true, Window: 5 * time.Millisecond})
		defer b.Close()
		b.Update(snapshot(1, instances(1000)...))
		for _, ep := range b.Endpoints() {
			b.SetReachable(ep, true)
		}
		if got := len(b.Callable()); got != 1 {
			t.Errorf("%d callable before the window is over, want the first alone", got)
		}
		time.Sleep(6 * time.Millisecond)
		synctest.Wait()
		if got := len(b.Callable()); got != 1000 {
			t.Errorf("%d callable, want 1000", got)
		}
		if n := counting.builds.Load(); n != 2 {
			t.Errorf("the policy was built %d times, want twice", n)
		}
		// After a quiet time, a change does not wait.
		time.Sleep(time.Second)
		b.SetReachable(b.Endpoints()[0], false)
		if got := len(b.Callable()); got != 999 {
			t.Errorf("%d callable at once, want 999", got)
		}
	})
}

type countingPolicy struct{ builds atomic.Int64 }

func (p *countingPolicy) Name() string { return "counting" }
func (p *countingPolicy) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	p.builds.Add(1)
	return stubbornPicker{endpoints[0]}
}

func TestASnapshotThatSaysTheSameIsNotCompiled(t *testing.T) {
	counting := &countingPolicy{}
	list := instances(3)
	b := balancing(counting, list...)
	for generation := range uint64(10) {
		s := snapshot(generation+1, list...)
		s.StaleSince = time.Now()
		b.Update(s)
	}
	if n := counting.builds.Load(); n != 1 {
		t.Errorf("built %d times, want once", n)
	}
}

func TestCloseDropsWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lb.New(lb.RoundRobin, lb.Options{})
		b.Update(snapshot(1, instances(2)...))
		b.Update(snapshot(2, instances(3)...))
		b.Close()
		b.Update(snapshot(3, instances(4)...))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := len(b.Callable()); got != 2 {
			t.Errorf("%d callable after Close, want the 2 from before", got)
		}
		pick(t, b, nil)
	})
}

func TestOnChangeMayCallTheBalancer(t *testing.T) {
	var b *lb.Balancer
	var seen []int
	b = lb.New(lb.RoundRobin, lb.Options{Window: -1, TrackReachable: true, OnChange: func() {
		seen = append(seen, len(b.Callable()))
		for _, ep := range b.Endpoints() {
			b.SetReachable(ep, true)
		}
	}})
	b.Update(snapshot(1, instances(2)...))
	if want := []int{0, 2}; !slices.Equal(seen, want) {
		t.Errorf("callable at each change: %v, want %v", seen, want)
	}
}

// Whoever changes the balancer while holding a lock that OnChange also takes
// must not block for ever.
func TestOnChangeMayTakeTheLockOfThoseWhoChange(t *testing.T) {
	list := instances(2)
	synctest.Test(t, func(t *testing.T) {
		lock := make(chan struct{}, 1) // a mutex would hold up the bubble's clock
		b := lb.New(lb.RoundRobin, lb.Options{OnChange: func() { lock <- struct{}{}; <-lock }})
		defer b.Close()
		b.Update(snapshot(1, list...))
		b.Update(snapshot(2, list[0])) // due: the timer's goroutine calls OnChange
		lock <- struct{}{}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait() // OnChange waits for the lock now
		b.Update(snapshot(3, list...))
		<-lock
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if got := len(b.Callable()); got != 2 {
			t.Errorf("%d callable, want 2", got)
		}
	})
}

func TestAPolicyThatPicksNobodyFailsTheCall(t *testing.T) {
	b := balancing(nobody{}, instances(3)...)
	for _, call := range []*lb.Call{nil, {}, lb.NewCall(lb.Pin(context.Background()))} {
		if _, err := b.Pick(call); !errors.Is(err, lb.ErrNoEndpoint) || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("got %v, want ErrNoEndpoint that names the policy", err)
		}
	}
}

type nobody struct{}

func (nobody) Name() string                                       { return "nobody" }
func (nobody) Build(*lb.Env, []*lb.Endpoint, lb.Picker) lb.Picker { return nobody{} }
func (nobody) Pick(*lb.Call) *lb.Endpoint                         { return nil }

// learner records what it is told, and carries it over.
type learner struct{}

func (learner) Name() string      { return "learner" }
func (learner) Needs() lb.Signals { return lb.InFlight | lb.Latency }
func (learner) Build(_ *lb.Env, endpoints []*lb.Endpoint, prev lb.Picker) lb.Picker {
	p := &learnerPicker{first: endpoints[0], seen: map[string][]lb.Outcome{}}
	if before, ok := prev.(*learnerPicker); ok {
		p.seen = before.seen
	}
	return p
}

type learnerPicker struct {
	first *lb.Endpoint
	seen  map[string][]lb.Outcome
}

func (p *learnerPicker) Pick(*lb.Call) *lb.Endpoint { return p.first }
func (p *learnerPicker) Done(ep *lb.Endpoint, o lb.Outcome) {
	p.seen[ep.ID()] = append(p.seen[ep.ID()], o)
}

func TestAPolicyLearnsWhatItNeedsAlsoWhenTheSetBecameEmpty(t *testing.T) {
	var now time.Duration
	b := lb.New(spy{}, lb.Options{Window: -1, Now: func() time.Duration { return now }})
	b.Update(snapshot(1, instances(2)...))
	picked, err := b.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := picked.Endpoint.InFlight(); got != 1 {
		t.Errorf("%d in flight, want 1", got)
	}
	now += 30 * time.Millisecond
	b.Update(snapshot(2)) // everybody left
	picked.Done(lb.Outcome{Result: lb.Failure, Deadline: time.Second})
	if got := picked.Endpoint.InFlight(); got != 0 {
		t.Errorf("%d in flight after Done, want 0", got)
	}
	want := lb.Outcome{Result: lb.Failure, Deadline: time.Second, Latency: 30 * time.Millisecond}
	b.Update(snapshot(3, instances(1)...))
	p := spied.Load()
	if got := p.seen["copy-00000"]; len(got) != 1 || got[0] != want {
		t.Errorf("learned %+v, want %+v", got, want)
	}
}

// spy shows the newest picker of learner.
type spy struct{ learner }

var spied atomic.Pointer[learnerPicker]

func (s spy) Build(env *lb.Env, endpoints []*lb.Endpoint, prev lb.Picker) lb.Picker {
	p := s.learner.Build(env, endpoints, prev)
	spied.Store(p.(*learnerPicker))
	return p
}

func TestResultOfSparesTheServerWhenTheCallerWentAway(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	defer cancel()
	broken := errors.New("broken")
	tests := []struct {
		ctx  context.Context
		err  error
		want lb.Result
	}{
		{context.Background(), nil, lb.Success},
		{context.Background(), broken, lb.Failure},
		{gone, context.Canceled, lb.Ignored},
		{gone, nil, lb.Success},
		{late, context.DeadlineExceeded, lb.Failure},
	}
	for _, test := range tests {
		if got := lb.ResultOf(test.ctx, test.err); got != test.want {
			t.Errorf("context %v, error %v: %d, want %d", test.ctx.Err(), test.err, got, test.want)
		}
	}
}

// Picks go on, and only to endpoints that are in order, whatever changes
// meanwhile.
func TestPicksAndChangesMayRunAtOnce(t *testing.T) {
	for _, policy := range []lb.Policy{lb.RoundRobin, lb.Random, concurrentLearner{}} {
		t.Run(policy.Name(), func(t *testing.T) {
			all := instances(30)
			b := lb.New(policy, lb.Options{Window: 50 * time.Microsecond, TrackReachable: true})
			defer b.Close()
			b.Update(snapshot(1, all...))
			var changing, picking sync.WaitGroup
			stop := make(chan struct{})
			for i := range 2 {
				changing.Go(func() {
					random := rand.New(rand.NewPCG(7, uint64(i)))
					for range 300 {
						if random.IntN(3) == 0 {
							from := random.IntN(len(all))
							b.Update(snapshot(2, all[from:]...))
						} else if eps := b.Endpoints(); len(eps) > 0 {
							b.SetReachable(eps[random.IntN(len(eps))], random.IntN(4) > 0)
						}
					}
				})
			}
			for range 4 {
				picking.Go(func() {
					call := lb.NewCall(lb.Pin(context.Background()))
					for {
						select {
						case <-stop:
							return
						default:
						}
						picked, err := b.Pick(call)
						if err != nil {
							if !errors.Is(err, lb.ErrNoEndpoint) {
								t.Error(err)
							}
							continue
						}
						picked.Done(lb.Outcome{})
					}
				})
			}
			changing.Wait()
			close(stop)
			picking.Wait()
			for _, ep := range b.Endpoints() {
				if n := ep.InFlight(); n != 0 {
					t.Errorf("%v: %d in flight at the end", ep, n)
				}
			}
		})
	}
}

type concurrentLearner struct{}

func (concurrentLearner) Name() string      { return "learner" }
func (concurrentLearner) Needs() lb.Signals { return lb.InFlight | lb.Latency }
func (concurrentLearner) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return &leastOfTwo{endpoints: endpoints}
}

type leastOfTwo struct {
	endpoints []*lb.Endpoint
	done      atomic.Int64
}

func (p *leastOfTwo) Pick(*lb.Call) *lb.Endpoint {
	a, b := p.endpoints[rand.IntN(len(p.endpoints))], p.endpoints[rand.IntN(len(p.endpoints))]
	if b.InFlight() < a.InFlight() {
		return b
	}
	return a
}

func (p *leastOfTwo) Done(*lb.Endpoint, lb.Outcome) { p.done.Add(1) }
