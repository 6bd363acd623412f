package lb_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

func TestFilterLetsOnlyThoseThroughThatMatchInEverything(t *testing.T) {
	in := &adsum.Instance{Version: "v2", Tags: []string{"canary", "eu"}, Metadata: map[string]string{"shard": "3"}}
	tests := []struct {
		filter lb.Filter
		want   bool
	}{
		{lb.Filter{}, true},
		{lb.Filter{Tags: []string{"eu", "canary"}, Version: "v2", Metadata: map[string]string{"shard": "3"}}, true},
		{lb.Filter{Tags: []string{"eu", "us"}}, false},
		{lb.Filter{Version: "v1"}, false},
		{lb.Filter{Metadata: map[string]string{"shard": "4"}}, false},
		{lb.Filter{Metadata: map[string]string{"rack": ""}}, false},
	}
	for _, test := range tests {
		if got := test.filter.Matches(in); got != test.want {
			t.Errorf("%+v: %v", test.filter, got)
		}
	}
}

func TestRoutingCallsOnlyWhomItSelects(t *testing.T) {
	all := instances(10)
	all[3].Version, all[7].Version, all[8].Version, all[8].Status = "v2", "v2", "v2", adsum.Critical
	b := sowing(lb.Routing{Policy: lb.Random, Filter: lb.Filter{Version: "v2"}}, all...)
	got := counts(pickIDs(t, b, 100))
	if len(got) != 2 || got["copy-00003"] == 0 || got["copy-00007"] == 0 {
		t.Errorf("picked %v", got)
	}
	for i, ep := range b.Endpoints() {
		if want := i == 3 || i == 7; b.Wants(ep) != want {
			t.Errorf("wants %s: %v", ep, !want)
		}
	}
	again := *all[5]
	again.Version = "v2"
	b.Update(snapshot(2, append(append(slices.Clone(all[:5]), &again), all[6:]...)...))
	if got := counts(pickIDs(t, b, 100)); len(got) != 3 {
		t.Errorf("after the sixth became v2: picked %v", got)
	}
}

func TestRoutingThatSelectsNobodySaysSo(t *testing.T) {
	b := sowing(lb.Routing{Filter: lb.Filter{Tags: []string{"gpu"}}}, instances(3)...)
	_, err := b.Pick(nil)
	if !errors.Is(err, lb.ErrNoEndpoint) || !strings.Contains(err.Error(), "3 passing instances, none of them selected") {
		t.Errorf("got %v", err)
	}
}

// chosen are the copies that a client of that name is connected to.
func chosen(client string, size int, all []*adsum.Instance) map[string]bool {
	b := balancing(lb.Routing{Policy: lb.Random, Subset: lb.Subset{Client: client, Size: size}}, all...)
	ids := map[string]bool{}
	for _, ep := range b.Endpoints() {
		if b.Wants(ep) {
			ids[ep.ID()] = true
		}
	}
	return ids
}

func TestSubsetsLoadAllCopiesAndHardlyChange(t *testing.T) {
	const clients, servers, size = 1000, 300, 20
	all := instances(servers + 1)
	connections := map[string]int{}
	changed := 0
	for i := range clients {
		name := fmt.Sprintf("client-%d", i)
		before, after := chosen(name, size, all[:servers]), chosen(name, size, all)
		if len(before) != size {
			t.Fatalf("%d copies, want %d", len(before), size)
		}
		for id := range before {
			connections[id]++
			if !after[id] {
				changed++
			}
		}
	}
	most := 0
	for _, n := range connections {
		most = max(most, n)
	}
	ratio := float64(most) * servers / (clients * size)
	share := 100 * float64(changed) / (clients * size)
	t.Logf("max/mean %.2f, %.2f %% of the connections change with one copy more", ratio, share)
	if ratio > 1.45 || share > 0.45 {
		t.Errorf("max/mean %.2f, %.2f %% changed; want at most 1.45 and 0.45", ratio, share)
	}
}

// zoned makes n copies in each of the zones.
func zoned(n int, zones ...string) []*adsum.Instance {
	all := instances(n * len(zones))
	for i, in := range all {
		in.Zone = zones[i/n]
	}
	return all
}

func TestCallsStayInTheirZoneAsFarAsItsCapacityGoes(t *testing.T) {
	light := zoned(4, "a", "b", "c")
	for _, in := range light[:4] {
		in.Weight = 2
	}
	for _, in := range light[4:] {
		in.Weight = 3
	}
	tests := []struct {
		name string
		all  []*adsum.Instance
		near float64
	}{
		{"as much as elsewhere", zoned(4, "a", "b", "c"), 1},
		{"two of four left", zoned(4, "a", "b", "c")[2:], 0.6}, // 2/10 of the weight, times 3 zones
		{"lighter", light, 0.75},                               // 8/32 of the weight, times 3 zones
		{"nobody near", zoned(4, "b", "c"), 0},
		{"nobody elsewhere", zoned(4, "a"), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			zones := map[string]string{}
			for _, in := range test.all {
				zones[in.ID] = in.Zone
			}
			b := sowing(lb.Routing{Policy: lb.Weighted, Zone: "a"}, test.all...)
			near := 0
			for _, id := range pickIDs(t, b, 20_000) {
				if zones[id] == "a" {
					near++
				}
			}
			if got := float64(near) / 20_000; math.Abs(got-test.near) > 0.015 {
				t.Errorf("%.3f of the calls stayed, want %.3f", got, test.near)
			}
		})
	}
}

func TestASecondTryLeavesTheZoneWhenNobodyElseIsThere(t *testing.T) {
	all := zoned(1, "a", "b", "c")
	b := sowing(lb.Routing{Policy: lb.RoundRobin, Zone: "a"}, all...)
	call := &lb.Call{}
	first := pick(t, b, call)
	call.Tried = append(call.Tried, first)
	if second := pick(t, b, call); first.ID() != all[0].ID || second == first {
		t.Errorf("first %s, then %s", first, second)
	}
}

func TestSlowStartRaisesTheWeightOfWhoIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := instances(5)
		b := sowing(lb.Routing{Policy: lb.Weighted, SlowStart: 20 * time.Second}, all[:4]...)
		b.Update(snapshot(2, all...))
		for _, step := range []struct {
			wait  time.Duration
			share float64
		}{{0, 0.1}, {5 * time.Second, 0.25}, {5 * time.Second, 0.5}, {11 * time.Second, 1}} {
			time.Sleep(step.wait)
			synctest.Wait()
			got := float64(counts(pickIDs(t, b, 50_000))["copy-00004"]) / 50_000
			if want := step.share / (4 + step.share); math.Abs(got-want) > 0.007 {
				t.Errorf("%v later it gets %.3f of the calls, want %.3f", step.wait, got, want)
			}
		}
		b.Close()
	})
}

// failing calls n times, one call a millisecond; calls to ids in bad fail.
func failing(t *testing.T, b *lb.Balancer, n int, bad func(id string) bool) (failed int) {
	t.Helper()
	for range n {
		picked, err := b.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		outcome := lb.Outcome{}
		if bad(picked.Endpoint.ID()) {
			outcome.Result = lb.Failure
			failed++
		}
		picked.Done(outcome)
		synctest.Wait()
	}
	return failed
}

func is(ids ...string) func(string) bool {
	return func(id string) bool { return slices.Contains(ids, id) }
}

func TestFiveFailuresInARowEjectForLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sowing(lb.Routing{Policy: lb.RoundRobin}, instances(4)...)
		defer b.Close()
		bad := is("copy-00002")
		if n := failing(t, b, 1000, bad); n != 5 {
			t.Errorf("%d failures before it went, want 5", n)
		}
		time.Sleep(25 * time.Second)
		if n := failing(t, b, 100, bad); n != 0 {
			t.Errorf("%d failures in its time away", n)
		}
		time.Sleep(7 * time.Second)
		if n := failing(t, b, 1000, bad); n != 5 {
			t.Errorf("%d failures before it went again, want 5", n)
		}
		time.Sleep(50 * time.Second)
		if n := failing(t, b, 100, bad); n != 0 {
			t.Errorf("%d failures in its second time away", n)
		}
		time.Sleep(17 * time.Second)
		if n := failing(t, b, 100, is()); n != 0 || len(counts(pickIDs(t, b, 4))) != 4 {
			t.Error("it did not come back")
		}
	})
}

func TestFewerFailuresInARowMayBeAllowedWhileSomebodyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sowing(lb.Routing{Policy: lb.RoundRobin, Ejection: lb.Ejection{Consecutive: math.MaxInt}}, instances(4)...)
		defer b.Close()
		bad := is("copy-00002")
		if n := failing(t, b, 40, bad); n != 10 {
			t.Errorf("%d failures of 40 calls, want 10", n)
		}
		b.SetPolicy(lb.Routing{Policy: lb.RoundRobin, Ejection: lb.Ejection{Consecutive: 5}})
		if n := failing(t, b, 40, bad); n != 1 {
			t.Errorf("%d more failures before it went, want 1", n)
		}
	})
}

func TestASuccessInBetweenStartsTheCountAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sowing(lb.Routing{Policy: lb.RoundRobin}, instances(2)...)
		defer b.Close()
		calls := 0
		failed := failing(t, b, 100, func(id string) bool {
			calls++
			return id == "copy-00001" && calls%8 > 1 // three or four in a row
		})
		if failed < 35 {
			t.Errorf("%d failures: it was ejected", failed)
		}
	})
}

func TestAtMostHalfAreEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sowing(lb.Routing{Policy: lb.RoundRobin}, instances(5)...)
		defer b.Close()
		failing(t, b, 1000, func(string) bool { return true })
		if n := len(counts(pickIDs(t, b, 100))); n != 3 || b.Panicking() {
			t.Errorf("%d of 5 are left, panicking %v", n, b.Panicking())
		}
		if n := len(b.Callable()); n != 5 {
			t.Errorf("%d callable, want 5", n)
		}
	})
}

func TestBelowHalfEverybodyIsCalledAndItShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := instances(6)
		b := sowing(lb.Routing{Policy: lb.RoundRobin}, all...)
		defer b.Close()
		failing(t, b, 200, is("copy-00000", "copy-00001", "copy-00002"))
		if n := len(counts(pickIDs(t, b, 100))); n != 3 || b.Panicking() {
			t.Fatalf("%d of 6 are left, panicking %v", n, b.Panicking())
		}
		b.Update(snapshot(2, all[:5]...))
		if n := len(counts(pickIDs(t, b, 100))); n != 5 || !b.Panicking() {
			t.Errorf("%d of 5 are called, panicking %v", n, b.Panicking())
		}
		b.Update(snapshot(3, all...))
		if n := len(counts(pickIDs(t, b, 100))); n != 3 || b.Panicking() {
			t.Errorf("%d of 6 are left, panicking %v", n, b.Panicking())
		}
	})
}

func TestRatesEject(t *testing.T) {
	tests := []struct {
		name  string
		n     int // endpoints
		calls int
		every int // call of the bad one succeeds
		want  bool
	}{
		{"seven of eight fail", 3, 600, 8, true},
		{"one of two fails", 10, 2000, 2, true},
		{"one of two fails, but there are few to compare with", 4, 2000, 2, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// Five in a row would eject for another reason.
				b := sowing(lb.Routing{Policy: lb.RoundRobin, Ejection: lb.Ejection{Consecutive: 1000}}, instances(test.n)...)
				defer b.Close()
				calls := 0
				failing(t, b, test.calls, func(id string) bool {
					if id == "copy-00001" {
						calls++
						return calls%test.every != 0
					}
					return false
				})
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if got := len(counts(pickIDs(t, b, 100))) < test.n; got != test.want {
					t.Errorf("ejected: %v", got)
				}
			})
		})
	}
}

func TestACallWhoseTimeWasOverBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sowing(lb.Routing{Policy: lb.RoundRobin, Circuit: lb.Circuit{Failures: 0.5, Calls: 5}}, instances(2)...)
		defer b.Close()
		for range 20 {
			picked, err := b.Pick(nil)
			if err != nil {
				t.Fatal(err)
			}
			picked.Done(lb.Outcome{Result: lb.Failure, Deadline: -time.Millisecond})
			synctest.Wait()
		}
		if s := b.Stats(); s.Ejections != 0 || s.Open != 0 {
			t.Errorf("%d ejections and %d open circuits", s.Ejections, s.Open)
		}
	})
}

func TestEjectionCanBeTurnedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := sowing(lb.Routing{Policy: lb.RoundRobin, NoEjection: true}, instances(2)...)
		if n := failing(t, b, 100, is("copy-00000")); n != 50 {
			t.Errorf("%d of 100 calls failed, want 50", n)
		}
	})
}

func BenchmarkPickRouting(b *testing.B) {
	for _, routing := range []struct {
		name string
		lb.Routing
	}{
		{"ejection", lb.Routing{Policy: lb.Random}},
		{"zone", lb.Routing{Policy: lb.Random, NoEjection: true, Zone: "a"}},
		{"zero", lb.Routing{}},
	} {
		b.Run(routing.name, func(b *testing.B) {
			balancer := lb.New(routing.Routing, lb.Options{})
			defer balancer.Close()
			balancer.Update(snapshot(1, zoned(300, "a", "b", "c")...))
			b.ReportAllocs()
			for b.Loop() {
				picked, err := balancer.Pick(nil)
				if err != nil {
					b.Fatal(err)
				}
				picked.Done(lb.Outcome{})
			}
		})
	}
}
