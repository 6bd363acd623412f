package lb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/adsum-go/adsum"
)

// What policies look at must not share a cache line with another endpoint's.
func TestAnEndpointsCountersHaveACacheLineToThemselves(t *testing.T) {
	var ep Endpoint
	if at := unsafe.Offsetof(ep.learned); at%cacheLine != 0 {
		t.Errorf("they begin at byte %d", at)
	}
	if size := unsafe.Sizeof(learned{}); size != cacheLine {
		t.Errorf("they take %d bytes; fill up or shrink learned", size)
	}
	if size := unsafe.Sizeof(ep); size%cacheLine != 0 {
		t.Errorf("an endpoint has %d bytes", size)
	}
}

func TestListsAreComparedInBlocksAsOneByOne(t *testing.T) {
	const long = 3*block + 5
	list := make([]*adsum.Instance, long)
	states := make([]state, long)
	for i := range list {
		list[i] = &adsum.Instance{}
		states[i] = callable | reachable
	}
	for n := range long + 1 {
		other := slices.Clone(list)
		if n < long {
			other[n] = &adsum.Instance{}
		}
		if got := same(list, other); got != n {
			t.Errorf("same: %d, want %d", got, n)
		}
		if got := same(list, list[:n]); got != n {
			t.Errorf("same as a part: %d, want %d", got, n)
		}
		if got, want := sameEnd(list, other), max(long-n-1, 0); n < long && got != want {
			t.Errorf("sameEnd: %d, want %d", got, want)
		}
		if got, want := sameEnd(list, list[n:]), long-n; got != want {
			t.Errorf("sameEnd as a part: %d, want %d", got, want)
		}
		some := slices.Clone(states)
		if n < long {
			some[n] = callable | selected
		}
		if got := lacking(some, callable|reachable); got != n {
			t.Errorf("lacking: %d, want %d", got, n)
		}
		if got := lacking(some, callable); got != long {
			t.Errorf("%d lacks what all have", got)
		}
		want := list
		if n < long {
			want = slices.Delete(slices.Clone(list), n, n+1)
		}
		if got := having(list, some, callable|reachable); !slices.Equal(got, want) {
			t.Errorf("%d have it of %d, without number %d", len(got), long, n)
		}
	}
}

// Whatever changes, what lies beside the endpoints is true of them, and who
// stayed is the same endpoint.
func TestAnyChangeOfASetIsMerged(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		b := New(LeastRequest, Options{Window: -1})
		var list []*adsum.Instance
		for generation := range uint64(50) {
			before := map[string]*Endpoint{}
			for _, ep := range b.Endpoints() {
				before[ep.ID()] = ep
			}
			list = mutated(random, list)
			b.Update(&adsum.Snapshot{Service: "book", Generation: generation + 1, Instances: list})
			checkMerged(t, b, list, before)
		}
	}
}

// mutated returns a list in which some left, some came, and some changed.
func mutated(random *rand.Rand, list []*adsum.Instance) []*adsum.Instance {
	list = slices.Clone(list)
	for range random.IntN(4) {
		if len(list) == 0 {
			break
		}
		i := random.IntN(len(list))
		switch in := *list[i]; random.IntN(4) {
		case 0:
			list = slices.Delete(list, i, min(len(list), i+1+random.IntN(5)))
		case 1:
			in.Weight = random.IntN(4)
			list[i] = &in
		case 2:
			in.Status = []adsum.Status{adsum.Passing, adsum.Critical}[random.IntN(2)]
			list[i] = &in
		case 3:
			in.Addr += "0"
			list[i] = &in
		}
	}
	for range random.IntN(60) {
		id := fmt.Sprintf("copy-%04d", random.IntN(1000))
		i, there := slices.BinarySearchFunc(list, id, func(in *adsum.Instance, id string) int { return strings.Compare(in.ID, id) })
		if !there {
			list = slices.Insert(list, i, &adsum.Instance{ID: id, Service: "book", Addr: "10.0.0.1:1", Status: adsum.Passing})
		}
	}
	return list
}

func checkMerged(t *testing.T, b *Balancer, list []*adsum.Instance, before map[string]*Endpoint) {
	t.Helper()
	if len(b.endpoints) != len(list) || len(b.states) != len(list) || len(b.weights) != len(list) {
		t.Fatalf("%d endpoints, %d states, %d weights of %d instances", len(b.endpoints), len(b.states), len(b.weights), len(list))
	}
	var passing []*Endpoint
	var weights []float32
	for i, in := range list {
		ep := b.endpoints[i]
		if ep.Instance() != in || ep.ID() != in.ID || ep.Addr() != in.Addr || b.weights[i] != weightOf(in) || ep.Weight() != float64(weightOf(in)) {
			t.Fatalf("endpoint %v, weight %v, of instance %v", ep, b.weights[i], in)
		}
		if old := before[in.ID]; old != nil && old != ep && old.Addr() == in.Addr {
			t.Fatalf("%v lost its state", ep)
		}
		if in.Status.Callable() {
			passing, weights = append(passing, ep), append(weights, weightOf(in))
		}
	}
	if !slices.Equal(b.Callable(), passing) {
		t.Fatalf("callable %v, want %v", b.Callable(), passing)
	}
	if len(passing) == 0 {
		return
	}
	if got := b.env.weights(passing); even(weights) != (got == nil) || got != nil && !slices.Equal(got, weights) {
		t.Fatalf("weights %v, want %v", got, weights)
	}
	if got := b.env.weights(b.Callable()); even(weights) != (got == nil) || got != nil && !slices.Equal(got, weights) {
		t.Fatalf("weights that were compiled %v, want %v", got, weights)
	}
}
