package lb_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// seeded is a source of random bits that is the same in every run: SplitMix64.
func seeded(seed uint64) func() uint64 {
	return func() uint64 {
		seed += 0x9e3779b97f4a7c15
		x := seed
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
}

// weighing makes copies with the given weights.
func weighing(weights ...int) []*adsum.Instance {
	list := instances(len(weights))
	for i, w := range weights {
		list[i].Weight = w
	}
	return list
}

// sowing returns a balancer with a random source of its own seed.
func sowing(policy lb.Policy, instances ...*adsum.Instance) *lb.Balancer {
	b := lb.New(policy, lb.Options{Window: -1, Rand: seeded(1)})
	b.Update(snapshot(1, instances...))
	return b
}

// hashing are the policies that go by a key.
func hashing() []lb.Policy {
	return []lb.Policy{lb.RingHash, lb.Maglev, lb.Rendezvous, lb.BoundedLoad}
}

// owners says which copy each of n keys goes to.
func owners(t *testing.T, b *lb.Balancer, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = pick(t, b, &lb.Call{Key: fmt.Sprintf("key-%d", i)}).ID()
	}
	return ids
}

func counts(ids []string) map[string]int {
	n := map[string]int{}
	for _, id := range ids {
		n[id]++
	}
	return n
}

func TestEveryPolicyIsFoundByItsName(t *testing.T) {
	for _, p := range lb.Policies() {
		found, err := lb.PolicyOf(p.Name())
		if err != nil || found != p {
			t.Errorf("%s: %v, %v", p.Name(), found, err)
		}
	}
	if _, err := lb.PolicyOf("lucky"); err == nil || !strings.Contains(err.Error(), "peak_ewma") {
		t.Errorf("got %v, want the names there are", err)
	}
}

// Without anything learned, whoever honours weights sends calls in their
// proportion.
func TestCallsFollowTheWeights(t *testing.T) {
	const calls = 200_000
	weights := []int{1, 2, 3, 4, 10, 80}
	for _, policy := range []lb.Policy{lb.Weighted, lb.SmoothWeighted, lb.LeastRequest, lb.PeakEWMA} {
		t.Run(policy.Name(), func(t *testing.T) {
			b := lb.New(policy, lb.Options{Rand: seeded(1), Now: func() time.Duration { return 0 }})
			b.Update(snapshot(1, weighing(weights...)...))
			got := counts(pickIDs(t, b, calls))
			for i, w := range weights {
				share := float64(got[instance(i, "").ID]) / calls
				if want := float64(w) / 100; math.Abs(share-want) > 0.005 {
					t.Errorf("weight %d got %.2f %% of the calls", w, 100*share)
				}
			}
		})
	}
}

func TestKeysFollowTheWeights(t *testing.T) {
	const keys = 100_000
	weights := []int{1, 2, 3, 4, 5, 5}
	for _, policy := range hashing() {
		t.Run(policy.Name(), func(t *testing.T) {
			got := counts(owners(t, sowing(policy, weighing(weights...)...), keys))
			for i, w := range weights {
				share := float64(got[instance(i, "").ID]) / keys
				if want := float64(w) / 20; math.Abs(share-want) > 0.2*want {
					t.Errorf("weight %d got %.2f %% of the keys", w, 100*share)
				}
			}
		})
	}
}

func TestSmoothWeightedIsAsEvenAsCanBe(t *testing.T) {
	b := balancing(lb.SmoothWeighted, weighing(5, 1, 1)...)
	var got strings.Builder
	for _, id := range pickIDs(t, b, 14) {
		got.WriteByte("abc"[id[len(id)-1]-'0'])
	}
	if got.String() != "aabacaaaabacaa" {
		t.Errorf("got %s", got.String())
	}
}

func TestSmoothWeightedKeepsItsCreditAcrossUpdates(t *testing.T) {
	all := weighing(3, 2, 2)
	still, moving := balancing(lb.SmoothWeighted, all...), balancing(lb.SmoothWeighted, all...)
	for i := range uint64(50) {
		again := *all[1] // says something new, that nothing depends on
		again.Reason = fmt.Sprint(i)
		moving.Update(snapshot(i+2, all[0], &again, all[2]))
		if want, got := pick(t, still, nil).ID(), pick(t, moving, nil).ID(); got != want {
			t.Fatalf("pick %d: %s, want %s", i, got, want)
		}
	}
}

func TestLeastRequestAvoidsTheBusy(t *testing.T) {
	b := sowing(lb.LeastRequest, instances(2)...)
	first, err := b.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // each is over before the next begins
		if ep := pick(t, b, nil); ep == first.Endpoint {
			t.Fatal("went to the busy one")
		}
	}
	first.Done(lb.Outcome{})
}

// The load per weight evens out when calls pile up.
func TestLeastRequestPilesUpByWeight(t *testing.T) {
	b := sowing(lb.LeastRequest, weighing(1, 1, 2, 4)...)
	for range 8000 {
		if _, err := b.Pick(nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, ep := range b.Endpoints() {
		if got, want := float64(ep.InFlight()), 1000*ep.Weight(); math.Abs(got-want) > 0.02*want {
			t.Errorf("%d calls at weight %v, want %v", ep.InFlight(), ep.Weight(), want)
		}
	}
}

// learning is a balancer on a clock of its own, whose copies have the
// latencies and results that answer gives them.
type learning struct {
	*lb.Balancer
	now time.Duration
}

func newLearning(policy lb.Policy, instances ...*adsum.Instance) *learning {
	l := &learning{}
	l.Balancer = lb.New(policy, lb.Options{Window: -1, Rand: seeded(1), Now: func() time.Duration { return l.now }})
	l.Update(snapshot(1, instances...))
	return l
}

// calls makes n calls one after the other, a millisecond apart, and counts
// them by copy.
func (l *learning) calls(t *testing.T, n int, answer func(id string) lb.Outcome) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		picked, err := l.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		l.now += time.Millisecond
		got[picked.Endpoint.ID()]++
		picked.Done(answer(picked.Endpoint.ID()))
	}
	return got
}

func TestPeakEWMAAvoidsTheSlow(t *testing.T) {
	l := newLearning(lb.PeakEWMA, instances(10)...)
	got := l.calls(t, 10_000, func(id string) lb.Outcome {
		if id == "copy-00003" {
			return lb.Outcome{Latency: 50 * time.Millisecond}
		}
		return lb.Outcome{Latency: 5 * time.Millisecond}
	})
	if n := got["copy-00003"]; n == 0 || n > 10 {
		t.Errorf("the slow copy got %d of 10 000 calls; want a few, to see whether it is well again", n)
	}
}

func TestPeakEWMAIsNotDrawnToFastFailures(t *testing.T) {
	l := newLearning(lb.PeakEWMA, instances(10)...)
	got := l.calls(t, 50_000, func(id string) lb.Outcome {
		if id == "copy-00003" {
			return lb.Outcome{Result: lb.Failure, Latency: time.Millisecond / 2, Deadline: time.Second}
		}
		return lb.Outcome{Latency: 5 * time.Millisecond}
	})
	if n := got["copy-00003"]; n > 6 {
		t.Errorf("the failing copy got %d of 50 000 calls, want less than 0.012 %%", n)
	}
}

func TestPeakEWMARemembersAcrossUpdatesAndStartsTheNewAtTheMedian(t *testing.T) {
	all := instances(11)
	l := newLearning(lb.PeakEWMA, all[:10]...)
	answer := func(id string) lb.Outcome {
		if id < "copy-00005" {
			return lb.Outcome{Latency: 5 * time.Millisecond}
		}
		return lb.Outcome{Latency: 100 * time.Millisecond}
	}
	l.calls(t, 1000, answer)
	l.Update(snapshot(2, all...))
	got := l.calls(t, 200, func(id string) lb.Outcome {
		if id == "copy-00010" {
			return lb.Outcome{Result: lb.Ignored}
		}
		return answer(id)
	})
	slow := 0
	for id, n := range got {
		if id >= "copy-00005" && id != "copy-00010" {
			slow += n
		}
	}
	// At zero it would win all of the 2/11 of the draws that it is in.
	if n := got["copy-00010"]; n > 30 || slow > 60 {
		t.Errorf("the new copy got %d, the slow ones %d of 200 calls", n, slow)
	}
}

func TestPeakEWMAForgivesWithTime(t *testing.T) {
	l := newLearning(lb.PeakEWMA, instances(2)...)
	bad := "copy-00000"
	answer := func(id string) lb.Outcome {
		if id == bad {
			return lb.Outcome{Latency: time.Second}
		}
		return lb.Outcome{Latency: 10 * time.Millisecond}
	}
	l.calls(t, 100, answer)
	bad = ""
	if got := l.calls(t, 100, answer); got["copy-00000"] > 0 {
		t.Errorf("forgotten at once: %v", got)
	}
	l.calls(t, 180_000, answer) // for three minutes
	if got := l.calls(t, 1000, answer); got["copy-00000"] < 300 {
		t.Errorf("three minutes after it was slow for the last time, it got %d of 1000 calls", got["copy-00000"])
	}
}

// told are the policies that go by what servers tell of their load.
func told() []lb.Policy { return []lb.Policy{lb.C3, lb.Prequal} }

func TestWhoTellsOfAHighLoadIsAvoided(t *testing.T) {
	for _, policy := range told() {
		t.Run(policy.Name(), func(t *testing.T) {
			l := newLearning(policy, instances(10)...)
			got := l.calls(t, 10_000, func(id string) lb.Outcome {
				o := lb.Outcome{Latency: 5 * time.Millisecond, Load: lb.Load{Known: true, InFlight: 2, Service: 5 * time.Millisecond}}
				if id == "copy-00003" {
					o.Load.InFlight = 20
				}
				return o
			})
			// It is called now and then, to hear whether it still is so.
			if n := got["copy-00003"]; n == 0 || n > 300 {
				t.Errorf("the busy copy got %d of 10 000 calls", n)
			}
		})
	}
}

func TestWithoutReportsTheyChooseAsPeakEWMADoes(t *testing.T) {
	for _, policy := range told() {
		t.Run(policy.Name(), func(t *testing.T) {
			l := newLearning(policy, instances(10)...)
			got := l.calls(t, 10_000, func(id string) lb.Outcome {
				if id == "copy-00003" {
					return lb.Outcome{Latency: 50 * time.Millisecond}
				}
				return lb.Outcome{Latency: 5 * time.Millisecond}
			})
			if n := got["copy-00003"]; n == 0 || n > 20 {
				t.Errorf("the slow copy got %d of 10 000 calls", n)
			}
		})
	}
}

func TestAFailingServerIsNotBelieved(t *testing.T) {
	for _, policy := range told() {
		t.Run(policy.Name(), func(t *testing.T) {
			l := newLearning(policy, instances(10)...)
			got := l.calls(t, 50_000, func(id string) lb.Outcome {
				load := lb.Load{Known: true, InFlight: 2, Service: 5 * time.Millisecond}
				if id == "copy-00003" { // it tells that it has nothing to do
					load = lb.Load{Known: true, Service: time.Microsecond}
					return lb.Outcome{Result: lb.Failure, Latency: time.Millisecond / 2, Deadline: time.Second, Load: load}
				}
				return lb.Outcome{Latency: 5 * time.Millisecond, Load: load}
			})
			if n := got["copy-00003"]; n > 10 {
				t.Errorf("the failing copy got %d of 50 000 calls", n)
			}
		})
	}
}

func TestNobodyIsForgotten(t *testing.T) {
	for _, policy := range told() {
		t.Run(policy.Name(), func(t *testing.T) {
			all := instances(51)
			l := newLearning(policy, all[:50]...)
			answer := func(string) lb.Outcome {
				return lb.Outcome{Latency: 5 * time.Millisecond, Load: lb.Load{Known: true, InFlight: 1, Service: 5 * time.Millisecond}}
			}
			l.calls(t, 5000, answer)
			l.Update(snapshot(2, all...))
			got := l.calls(t, 20_000, answer)
			for _, in := range all {
				if n := got[in.ID]; n < 20 || n > 4000 {
					t.Errorf("%s got %d of 20 000 calls", in.ID, n)
				}
			}
		})
	}
}

func TestPrequalAsksThreeForEveryCallAndBelievesThem(t *testing.T) {
	now := time.Duration(0)
	var b *lb.Balancer
	asked := map[string]int{}
	b = lb.New(lb.Prequal, lb.Options{
		Window: -1, Rand: seeded(1), Now: func() time.Duration { return now },
		Probe: func(ep *lb.Endpoint) bool {
			asked[ep.ID()]++
			load := lb.Load{Known: true, InFlight: 3, Service: 10 * time.Millisecond}
			if ep.ID() == "copy-00003" {
				load.Service = 50 * time.Millisecond
			}
			b.Loaded(ep, load)
			return true
		},
	})
	b.Update(snapshot(1, instances(10)...))
	got := map[string]int{}
	for range 3000 {
		picked, err := b.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		now += time.Millisecond
		got[picked.Endpoint.ID()]++
		picked.Done(lb.Outcome{Latency: 10 * time.Millisecond})
	}
	total := 0
	for _, n := range asked {
		total += n
	}
	if total != 9000 || len(asked) != 10 {
		t.Errorf("%d endpoints were asked %d times, want 10 and 9000", len(asked), total)
	}
	if n := got["copy-00003"]; n > 30 {
		t.Errorf("the slow copy got %d of 3000 calls", n)
	}
}

func TestRoutingAndZonesHandLoadsOn(t *testing.T) {
	l := newLearning(lb.Routing{Policy: lb.Prequal, Zone: "a"}, instances(10)...)
	for _, ep := range l.Endpoints() {
		l.Loaded(ep, lb.Load{Known: true, InFlight: 50, Service: 5 * time.Millisecond})
	}
	idle := l.Endpoints()[7]
	l.Loaded(idle, lb.Load{Known: true, Service: 5 * time.Millisecond})
	picks := 0
	for range 20 { // one in sixteen goes elsewhere, to hear of others
		l.Loaded(idle, lb.Load{Known: true, Service: 5 * time.Millisecond})
		picked, err := l.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		if picked.Endpoint == idle {
			picks++
		}
		picked.Done(lb.Outcome{Result: lb.Ignored})
		for _, ep := range l.Endpoints()[:5] {
			l.Loaded(ep, lb.Load{Known: true, InFlight: 50, Service: 5 * time.Millisecond})
		}
	}
	if picks < 12 {
		t.Errorf("the idle copy got %d of 20 calls", picks)
	}
}

func TestPeakEWMATimesEveryCallUnlessThereAreVeryMany(t *testing.T) {
	var now time.Duration
	looks := 0
	b := lb.New(lb.PeakEWMA, lb.Options{Window: -1, Rand: seeded(1), Now: func() time.Duration { looks++; return now }})
	b.Update(snapshot(1, instances(10)...))
	calls := func(n int, every time.Duration) (looked int) {
		before := looks
		for range n {
			now += every
			pick(t, b, nil)
		}
		return looks - before
	}
	if got := calls(1000, 50*time.Microsecond); got != 2000 {
		t.Errorf("looked at the clock %d times for 1000 calls in 50 ms, want 2000", got)
	}
	if got := calls(10_000, 0); got < 4000 || got > 6000 {
		t.Errorf("looked at the clock %d times for 10 000 calls at once, want about 5000", got)
	}
	calls(50, time.Second) // until the clock goes on
	if got := calls(100, time.Second); got != 200 {
		t.Errorf("looked at the clock %d times for 100 calls, one a second, want 200", got)
	}
}

// One that becomes slow while there are very many calls is found out by those
// that are timed.
func TestPeakEWMAAvoidsTheSlowAmongVeryManyCalls(t *testing.T) {
	const flight = 400 * time.Millisecond
	var now time.Duration
	b := lb.New(lb.PeakEWMA, lb.Options{Window: -1, Rand: seeded(1), Now: func() time.Duration { return now }})
	b.Update(snapshot(1, instances(10)...))
	picked := make([]lb.Picked, 0, 1000)
	burst := func(took func(id string) bool) (slow int) {
		picked = picked[:0]
		for range cap(picked) {
			p, err := b.Pick(nil)
			if err != nil {
				t.Fatal(err)
			}
			picked = append(picked, p)
		}
		now += 10 * time.Millisecond
		var late []lb.Picked
		for _, p := range picked {
			if took(p.Endpoint.ID()) {
				late = append(late, p)
				continue
			}
			p.Done(lb.Outcome{})
		}
		now += flight
		for _, p := range late {
			p.Done(lb.Outcome{})
		}
		return len(late)
	}
	isSlow := func(id string) bool { return id == "copy-00003" }
	burst(func(string) bool { return false })
	if first := burst(isSlow); first < 50 {
		t.Fatalf("the slow one got %d of the first 1000 calls", first)
	}
	if second := burst(isSlow); second > 30 {
		t.Errorf("the slow one got %d of 1000 calls after it was slow", second)
	}
}

func TestAKeyKeepsToItsCopy(t *testing.T) {
	for _, policy := range hashing() {
		t.Run(policy.Name(), func(t *testing.T) {
			one := owners(t, sowing(policy, instances(100)...), 1000)
			other := owners(t, balancing(policy, instances(100)...), 1000)
			if !slices.Equal(one, other) {
				t.Error("two balancers disagree")
			}
		})
	}
}

// These must never change: processes of different versions have to agree.
func TestKeysGoWhereTheyAlwaysWent(t *testing.T) {
	want := map[string]string{
		"ring_hash":    "553 811 098 476 454",
		"maglev":       "802 110 851 502 229",
		"rendezvous":   "775 592 329 908 870",
		"bounded_load": "553 811 098 476 454",
	}
	for _, policy := range hashing() {
		var got []string
		for _, id := range owners(t, sowing(policy, instances(1000)...), 5) {
			got = append(got, strings.TrimPrefix(id, "copy-00"))
		}
		if s := strings.Join(got, " "); s != want[policy.Name()] {
			t.Errorf("%s: %s, want %s", policy.Name(), s, want[policy.Name()])
		}
	}
}

func TestKeysSpreadEvenly(t *testing.T) {
	const keys = 200_000
	most := map[string]float64{"ring_hash": 1.30, "maglev": 1.08, "rendezvous": 1.08, "bounded_load": 1.30}
	for _, policy := range hashing() {
		t.Run(policy.Name(), func(t *testing.T) {
			highest := 0
			for _, n := range counts(owners(t, sowing(policy, instances(100)...), keys)) {
				highest = max(highest, n)
			}
			ratio := float64(highest) / (keys / 100)
			t.Logf("max/mean %.3f", ratio)
			if ratio > most[policy.Name()] {
				t.Errorf("max/mean %.3f, want at most %v", ratio, most[policy.Name()])
			}
		})
	}
}

func TestFewKeysMoveWhenACopyLeaves(t *testing.T) {
	const keys = 50_000
	others := map[string]float64{"maglev": 0.01} // the share of others' keys that may move
	for _, policy := range hashing() {
		t.Run(policy.Name(), func(t *testing.T) {
			all := instances(100)
			b := sowing(policy, all...)
			before := owners(t, b, keys)
			b.Update(snapshot(2, slices.Delete(slices.Clone(all), 50, 51)...))
			after := owners(t, b, keys)
			b.Update(snapshot(3, all...))
			if !slices.Equal(before, owners(t, b, keys)) {
				t.Error("keys did not come back with the copy")
			}
			moved := 0
			for i, id := range before {
				if id != all[50].ID && id != after[i] {
					moved++
				}
			}
			t.Logf("%.2f %% of the others' keys moved", 100*float64(moved)/keys)
			if float64(moved) > others[policy.Name()]*keys {
				t.Errorf("%d of %d keys of others moved", moved, keys)
			}
		})
	}
}

func TestTheSecondTryOfAKeyGoesElsewhereAndAlwaysToTheSame(t *testing.T) {
	for _, policy := range hashing() {
		t.Run(policy.Name(), func(t *testing.T) {
			b := sowing(policy, instances(5)...)
			seconds := map[string]bool{}
			for range 20 {
				call := &lb.Call{Key: "k"}
				seen := map[string]bool{}
				for try := range 5 {
					ep := pick(t, b, call)
					if seen[ep.ID()] {
						t.Fatalf("try %d went to %s again", try+1, ep)
					}
					seen[ep.ID()] = true
					if try == 1 {
						seconds[ep.ID()] = true
					}
					call.Tried = append(call.Tried, ep)
				}
				pick(t, b, call) // all were tried: any will do
			}
			if len(seconds) != 1 {
				t.Errorf("second tries went to %v", seconds)
			}
		})
	}
}

func TestCallsWithoutAKeySpread(t *testing.T) {
	for _, policy := range hashing() {
		t.Run(policy.Name(), func(t *testing.T) {
			b := sowing(policy, instances(10)...)
			for id, n := range counts(pickIDs(t, b, 10_000)) {
				if n < 700 || n > 1300 {
					t.Errorf("%s got %d of 10 000 calls", id, n)
				}
			}
		})
	}
}

// All calls have one key, and none of them ends.
func TestBoundedLoadSpreadsAHotKey(t *testing.T) {
	b := sowing(lb.BoundedLoad, weighing(1, 1, 1, 1, 4)...)
	var all []lb.Picked
	for n := 1; n <= 4000; n++ {
		picked, err := b.Pick(&lb.Call{Key: "hot"})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, picked)
		for _, ep := range b.Endpoints() {
			if most := math.Ceil(1.25 * float64(n) * ep.Weight() / 8); float64(ep.InFlight()) > most {
				t.Fatalf("%s has %d of %d calls, want at most %v", ep, ep.InFlight(), n, most)
			}
		}
	}
	for _, p := range all {
		p.Done(lb.Outcome{})
	}
	first := pick(t, b, &lb.Call{Key: "hot"})
	if again := pick(t, b, &lb.Call{Key: "hot"}); again != first {
		t.Error("a key that is no longer hot does not keep to its copy")
	}
}

func TestPicksDoNotAllocate(t *testing.T) {
	for _, policy := range lb.Policies() {
		b := sowing(policy, weighing(1, 2, 3, 4, 5)...)
		call := &lb.Call{Key: "some key that is not short"}
		load := lb.Load{Known: true, InFlight: 3, Service: time.Millisecond}
		n := testing.AllocsPerRun(1000, func() {
			picked, err := b.Pick(call)
			if err != nil {
				t.Fatal(err)
			}
			picked.Done(lb.Outcome{Load: load})
		})
		if n > 0 {
			t.Errorf("%s: %v allocations", policy.Name(), n)
		}
	}
}

func TestThousandsOfCopiesShareTheRing(t *testing.T) {
	b := sowing(lb.RingHash, instances(10_000)...)
	if n := len(counts(owners(t, b, 200_000))); n < 9_900 {
		t.Errorf("only %d of 10 000 copies own keys", n)
	}
}
