package bench_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/adsum-go/adsum/bench/peers"
)

var sizes = []int{10, 1000, 10_000}

// each runs a benchmark for every number of endpoints and every contender.
// Those of one policy and number follow each other, so that a busy machine
// slows them alike, in an order that is another one in every run.
func each(b *testing.B, contenders []peers.Contender, bench func(b *testing.B, c peers.Contender, n int)) {
	for _, policy := range policies(contenders) {
		for _, n := range sizes {
			for _, i := range rand.Perm(len(contenders)) {
				if c := contenders[i]; c.Policy == policy && c.Serves(n) {
					b.Run(fmt.Sprintf("policy=%s/n=%d/lib=%s", policy, n, c.Library), func(b *testing.B) { bench(b, c, n) })
				}
			}
		}
	}
}

func policies(contenders []peers.Contender) []string {
	var list []string
	for _, c := range contenders {
		if len(list) == 0 || list[len(list)-1] != c.Policy {
			list = append(list, c.Policy)
		}
	}
	return list
}

// shelf keeps the last fleet: a benchmark is run again and again, with more
// calls and with more cores, and some fleets take seconds to open.
type shelf struct {
	policy, library string
	n               int
	peers.Fleet
}

func (s *shelf) fleet(b *testing.B, c peers.Contender, n int) peers.Fleet {
	if s.Fleet != nil && s.policy == c.Policy && s.library == c.Library && s.n == n {
		return s.Fleet
	}
	s.close()
	fleet, err := c.Open(n)
	if err != nil {
		b.Fatal(err)
	}
	*s = shelf{c.Policy, c.Library, n, fleet}
	return fleet
}

func (s *shelf) close() {
	if s.Fleet != nil {
		s.Fleet.Close()
		s.Fleet = nil
	}
}

// BenchmarkPick is one pick, and saying that the call is over.
func BenchmarkPick(b *testing.B) {
	shelf := &shelf{}
	defer shelf.close()
	each(b, peers.All(), func(b *testing.B, c peers.Contender, n int) {
		fleet := shelf.fleet(b, c, n)
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(fleet.Calls)
	})
}
