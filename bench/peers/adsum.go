package peers

import (
	"slices"
	"strings"
	"testing"

	registry "github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

func adsum() []Contender {
	var list []Contender
	for _, policy := range lb.Policies() {
		list = append(list, Contender{
			Policy:  policy.Name(),
			Library: "adsum",
			Name:    "lb " + policy.Name(),
			Open: func(n int) (Fleet, error) {
				return newEngine(policy, n, lb.Options{Window: -1}), nil
			},
			Connect: func(n int) (Fleet, error) {
				e := newEngine(policy, n, lb.Options{TrackReachable: true})
				e.connect()
				return e, nil
			},
		})
	}
	return list
}

// keyed are our policies that go by a call's key.
var keyed = map[lb.Policy]bool{lb.RingHash: true, lb.Maglev: true, lb.Rendezvous: true, lb.BoundedLoad: true}

// engine is our balancer, fed as a directory feeds it.
type engine struct {
	balancer  *lb.Balancer
	compiled  chan struct{} // has something in it after a new view
	snapshots [2]*registry.Snapshot
	turn      int
	keyed     bool
}

func newEngine(policy lb.Policy, n int, opts lb.Options) *engine {
	e := &engine{compiled: make(chan struct{}, 1), keyed: keyed[policy]}
	opts.OnChange = func() {
		select {
		case e.compiled <- struct{}{}:
		default:
		}
	}
	e.balancer = lb.New(policy, opts)
	// What did not change is the same pointer, as in a directory.
	known := map[string]*registry.Instance{}
	for i, list := range addresses(n) {
		instances := make([]*registry.Instance, n)
		for j, addr := range list {
			if known[addr] == nil {
				known[addr] = &registry.Instance{Service: "book", ID: addr, Addr: addr, Weight: weight(j), Status: registry.Passing}
			}
			instances[j] = known[addr]
		}
		slices.SortFunc(instances, func(a, b *registry.Instance) int { return strings.Compare(a.ID, b.ID) })
		e.snapshots[i] = &registry.Snapshot{Service: "book", Generation: uint64(1 + i), Instances: instances}
	}
	e.balancer.Update(e.snapshots[0])
	return e
}

// connect says of one endpoint after the other that it is connected, and
// waits until all are picked.
func (e *engine) connect() {
	endpoints := e.balancer.Endpoints()
	for _, ep := range endpoints {
		e.balancer.SetReachable(ep, true)
	}
	for len(e.balancer.Callable()) < len(endpoints) {
		<-e.compiled
	}
}

func (e *engine) Calls(pb *testing.PB) {
	var call *lb.Call // a first try without a key
	if e.keyed {
		call = &lb.Call{}
	}
	for i := 0; pb.Next(); i++ {
		if call != nil {
			call.Key = keys[i%len(keys)]
		}
		picked, err := e.balancer.Pick(call)
		if err != nil {
			panic(err)
		}
		picked.Done(lb.Outcome{})
	}
}

func (e *engine) Pick() (string, error) {
	picked, err := e.balancer.Pick(&lb.Call{Key: keys[0]})
	if err != nil {
		return "", err
	}
	picked.Done(lb.Outcome{})
	return picked.Endpoint.Addr(), nil
}

func (e *engine) Replace() error {
	e.turn ^= 1
	e.balancer.Update(e.snapshots[e.turn])
	return nil
}

func (e *engine) Close() { e.balancer.Close() }
