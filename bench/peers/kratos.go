package peers

import (
	"context"
	"strconv"
	"testing"

	"github.com/go-kratos/kratos/v2/registry"
	"github.com/go-kratos/kratos/v2/selector"
	"github.com/go-kratos/kratos/v2/selector/p2c"
	"github.com/go-kratos/kratos/v2/selector/random"
	"github.com/go-kratos/kratos/v2/selector/wrr"

	"github.com/adsum-go/adsum/lb/lbtest"
)

func kratos() []Contender {
	contender := func(policy, name string, build func() selector.Selector) Contender {
		return Contender{
			Policy:  policy,
			Library: "kratos",
			Name:    "Kratos " + name,
			Open:    func(n int) (Fleet, error) { return openSelector(build(), n), nil },
			Live: func(addrs []string) (Living, error) {
				f := &livingNodes{build: build, down: map[string]bool{}}
				f.List(addrs)
				return f, nil
			},
		}
	}
	return []Contender{
		contender("random", random.Name, func() selector.Selector { return random.New() }),
		contender("smooth_weighted", wrr.Name, func() selector.Selector { return wrr.New() }),
		contender("peak_ewma", p2c.Name, func() selector.Selector { return p2c.New() }),
	}
}

// nodes is a Kratos selector.
type nodes struct {
	selector selector.Selector
	lists    [2][]selector.Node
	turn     int
}

func openSelector(s selector.Selector, n int) *nodes {
	f := &nodes{selector: s}
	for i, list := range addresses(n) {
		for j, addr := range list {
			f.lists[i] = append(f.lists[i], selector.NewNode("grpc", addr, &registry.ServiceInstance{
				Name:     "book",
				Metadata: map[string]string{"weight": strconv.Itoa(weight(j))},
			}))
		}
	}
	s.Apply(f.lists[0])
	return f
}

func (f *nodes) Calls(pb *testing.PB) {
	ctx := context.Background()
	for pb.Next() {
		_, done, err := f.selector.Select(ctx)
		if err != nil {
			panic(err)
		}
		done(ctx, selector.DoneInfo{})
	}
}

func (f *nodes) Pick() (string, error) {
	ctx := context.Background()
	node, done, err := f.selector.Select(ctx)
	if err != nil {
		return "", err
	}
	done(ctx, selector.DoneInfo{})
	return node.Address(), nil
}

func (f *nodes) Replace() error {
	f.turn ^= 1
	f.selector.Apply(f.lists[f.turn])
	return nil
}

func (f *nodes) Close() {}

// livingNodes are a Kratos selector that is made anew whenever a connection comes
// or goes, as its gRPC balancer does.
type livingNodes struct {
	nodes
	build  func() selector.Selector
	listed []string
	down   map[string]bool
}

func (f *livingNodes) Begin() (string, func(lbtest.Answer), error) {
	ctx := context.Background()
	node, done, err := f.selector.Select(ctx)
	if err != nil {
		return "", nil, err
	}
	return node.Address(), func(a lbtest.Answer) { done(ctx, selector.DoneInfo{Err: failure(a)}) }, nil
}

func (f *livingNodes) List(addrs []string) {
	f.listed = addrs
	f.selector = f.build()
	var list []selector.Node
	for _, addr := range addrs {
		if !f.down[addr] {
			list = append(list, selector.NewNode("grpc", addr, &registry.ServiceInstance{Name: "book"}))
		}
	}
	f.selector.Apply(list)
}

func (f *livingNodes) SetConnected(addr string, can bool) {
	f.down[addr] = !can
	f.List(f.listed)
}
