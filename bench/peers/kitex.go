package peers

import (
	"context"
	"errors"
	"testing"

	"github.com/cloudwego/kitex/pkg/discovery"
	"github.com/cloudwego/kitex/pkg/loadbalance"

	"github.com/adsum-go/adsum/lb/lbtest"
)

func kitex() []Contender {
	contender := func(policy string, weigh func(int) int, build func() loadbalance.Loadbalancer) Contender {
		return Contender{
			Policy:  policy,
			Library: "kitex",
			Name:    "Kitex " + build().Name(),
			Open:    func(n int) (Fleet, error) { return openResult(build(), weigh, n), nil },
			Live: func(addrs []string) (Living, error) {
				f := &result{balancer: build()}
				f.List(addrs)
				return f, nil
			},
		}
	}
	alike := func(int) int { return 10 }
	return []Contender{
		contender("round_robin", alike, loadbalance.NewWeightedRoundRobinBalancer),
		contender("random", alike, loadbalance.NewWeightedRandomBalancer),
		contender("weighted", weight, loadbalance.NewWeightedRandomWithAliasMethodBalancer),
		contender("smooth_weighted", weight, loadbalance.NewWeightedRoundRobinBalancer),
	}
}

// result is a Kitex load balancer with a cached result of discovery.
type result struct {
	balancer loadbalance.Loadbalancer
	results  [2]discovery.Result
	turn     int
}

func openResult(balancer loadbalance.Loadbalancer, weigh func(int) int, n int) *result {
	f := &result{balancer: balancer}
	for i, list := range addresses(n) {
		f.results[i] = discovery.Result{Cacheable: true, CacheKey: "book"}
		for j, addr := range list {
			f.results[i].Instances = append(f.results[i].Instances, discovery.NewInstance("tcp", addr, weigh(j), nil))
		}
	}
	f.balancer.GetPicker(f.results[0])
	return f
}

// Calls asks for the picker and the instance in each call, as a Kitex client
// does; nothing is told of how the call ended.
func (f *result) Calls(pb *testing.PB) {
	ctx := context.Background()
	for pb.Next() {
		if f.balancer.GetPicker(f.results[f.turn]).Next(ctx, nil) == nil {
			panic("nobody to call")
		}
	}
}

func (f *result) Pick() (string, error) {
	instance := f.balancer.GetPicker(f.results[f.turn]).Next(context.Background(), nil)
	if instance == nil {
		return "", errors.New("nobody to call")
	}
	return instance.Address().String(), nil
}

func (f *result) Replace() error {
	f.turn ^= 1
	f.balancer.(loadbalance.Rebalancer).Rebalance(discovery.Change{Result: f.results[f.turn]})
	return nil
}

// Begin hears nothing of how the call ends.
func (f *result) Begin() (string, func(lbtest.Answer), error) {
	addr, err := f.Pick()
	return addr, nil, err
}

func (f *result) List(addrs []string) {
	next := discovery.Result{Cacheable: true, CacheKey: "book"}
	for _, addr := range addrs {
		next.Instances = append(next.Instances, discovery.NewInstance("tcp", addr, 10, nil))
	}
	f.results[f.turn] = next
	f.balancer.(loadbalance.Rebalancer).Rebalance(discovery.Change{Result: next})
	f.balancer.GetPicker(next)
}

func (f *result) Close() {}
