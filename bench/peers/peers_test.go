package peers_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/bench/peers"
	"github.com/adsum-go/adsum/lb/lbtest"
)

func TestMain(m *testing.M) {
	// go-zero starts them when it is linked, and cannot stop them.
	adsumtest.VerifyNoLeaks(m, adsumtest.AllowGoroutines(
		"github.com/zeromicro/go-zero/core/proc.init.1.func1",
		"github.com/zeromicro/go-zero/core/stat.init.1.func1",
	))
}

// whole are the policies that send calls without a key to everybody.
var whole = map[string]bool{
	"round_robin": true, "round_robin+retry": true, "random": true, "weighted": true,
	"smooth_weighted": true, "least_request": true, "peak_ewma": true,
}

func TestEveryContenderPicksFromAllEndpointsAndFollowsAChange(t *testing.T) {
	const n = 10
	for _, c := range peers.All() {
		t.Run(fmt.Sprintf("policy=%s/lib=%s", c.Policy, c.Library), func(t *testing.T) {
			fleet, err := c.Cold(n)
			if err != nil {
				t.Fatal(err)
			}
			before := picked(t, fleet)
			if whole[c.Policy] && len(before) != n {
				t.Errorf("%d of %d endpoints were picked: %v", len(before), n, before)
			}
			fleet.Close()

			fleet, err = c.Open(n)
			if err != nil {
				t.Fatal(err)
			}
			defer fleet.Close()
			changing, ok := fleet.(peers.Changing)
			if !ok {
				return
			}
			if err := changing.Replace(); err != nil {
				t.Fatal(err)
			}
			after := picked(t, fleet)
			if whole[c.Policy] && (len(after) != n || after["10.0.0.5:50051"] || !after["10.0.0.10:50051"]) {
				t.Errorf("after the fifth was replaced by the tenth, %v were picked", after)
			}
		})
	}
}

func TestTheContendersThatWeighFollowTheWeights(t *testing.T) {
	const n, calls = 4, 20_000
	for _, c := range peers.All() {
		if c.Policy != "weighted" && c.Policy != "smooth_weighted" {
			continue
		}
		t.Run(fmt.Sprintf("policy=%s/lib=%s", c.Policy, c.Library), func(t *testing.T) {
			fleet, err := c.Open(n)
			if err != nil {
				t.Fatal(err)
			}
			defer fleet.Close()
			count := map[string]int{}
			for range calls {
				addr, err := fleet.Pick()
				if err != nil {
					t.Fatal(err)
				}
				count[addr]++
			}
			for i := range n { // the weights are 1, 2, 3 and 4
				got, want := float64(count[fmt.Sprintf("10.0.0.%d:50051", i)])/calls, float64(1+i)/10
				if got < want-0.02 || got > want+0.02 {
					t.Errorf("endpoint %d got %.3f of the calls, want %.3f", i, got, want)
				}
			}
		})
	}
}

func TestTheContendersUnderTrafficFollowTheRegistryAndConnections(t *testing.T) {
	const n = 4
	begun := time.Now()
	for _, c := range peers.All() {
		if c.Live == nil {
			continue
		}
		t.Run(fmt.Sprintf("policy=%s/lib=%s", c.Policy, c.Library), func(t *testing.T) {
			world := lbtest.World{
				Client: c.Client, Clients: 2, Servers: lbtest.Fleet(n, nil), Rate: 400, Lasts: 9 * time.Second, Warm: time.Second,
				Happens: []lbtest.Happening{
					{At: 3 * time.Second, Do: func(r *lbtest.Run) {
						r.Stop(3)
						r.List(0, []int{0, 1, 2})
					}},
					{At: 5 * time.Second, Do: func(r *lbtest.Run) {
						r.Start(3)
						r.List(time.Millisecond, []int{0, 1, 2, 3})
					}},
				},
			}
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(begun.Add(24 * time.Hour))) // go-zero counts from its start
				r := world.Run(1)
				mean := float64(r.Calls) / n
				if away := float64(r.Load[3]) / mean; r.Errors > 0.01 || away < 0.5 || away > 0.95 {
					t.Errorf("one of four was away for a quarter of the time: load %v, %v", r.Load, r)
				}
			})
		})
	}
}

func picked(t *testing.T, fleet peers.Fleet) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	for range 2000 {
		addr, err := fleet.Pick()
		if err != nil {
			t.Fatal(err)
		}
		seen[addr] = true
	}
	return seen
}
