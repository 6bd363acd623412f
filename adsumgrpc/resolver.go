package adsumgrpc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"

	"github.com/adsum-go/adsum"
)

// builder makes the resolvers of one list of options.
type builder struct{ settings *settings }

func (b *builder) Scheme() string { return Scheme }

// Build never fails: gRPC would not call it again before the connection has
// been idle for half an hour. What is wrong is told to the calls.
func (b *builder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	ctx, stop := context.WithCancel(context.Background())
	r := &watcher{settings: b.settings, service: target.Endpoint(), cc: cc, stop: stop, done: make(chan struct{})}
	go r.run(ctx)
	return r, nil
}

// watcher is the resolver of one connection: it passes every snapshot of a
// service on to gRPC. A slow receiver gets the newest one next.
type watcher struct {
	settings *settings
	service  string
	cc       resolver.ClientConn
	stop     context.CancelFunc
	done     chan struct{}
	last     []resolver.Endpoint // of the last snapshot passed on
}

// ResolveNow does nothing: the view is always live.
func (r *watcher) ResolveNow(resolver.ResolveNowOptions) {}

func (r *watcher) Close() {
	r.stop()
	<-r.done
}

func (r *watcher) run(ctx context.Context) {
	defer close(r.done)
	view := r.open(ctx)
	if view == nil {
		return
	}
	defer view.Close()
	for ctx.Err() == nil {
		changed, configured := view.Changed(), r.settings.configured()
		err := view.Ready(ctx)
		if ctx.Err() != nil {
			return
		}
		r.pass(view.Snapshot(), err)
		select {
		case <-changed:
		case <-configured:
		case <-ctx.Done():
		}
	}
}

// openAgain is how often a view is asked for that cannot be had, because the
// directory watches as many services as it may.
const openAgain = time.Second

// open returns the view, or nil once ctx ended.
func (r *watcher) open(ctx context.Context) *adsum.View {
	for {
		view, err := r.settings.dir.Open(r.service)
		if err == nil {
			return view
		}
		r.pass(&adsum.Snapshot{Service: r.service}, err)
		again := time.After(openAgain)
		if !errors.Is(err, adsum.ErrTooManyServices) {
			again = nil // it stays like this
		}
		select {
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// feed is what the resolver tells the balancer.
type feed struct {
	settings *settings
	snapshot *adsum.Snapshot
	err      error // why nothing is known, if that is final
}

type feedKey struct{}

func (r *watcher) pass(s *adsum.Snapshot, err error) {
	r.last = endpoints(s.Instances, r.last)
	state := resolver.State{
		Endpoints:  r.last,
		Attributes: attributes.New(feedKey{}, &feed{r.settings, s, err}),
	}
	// The error is the balancer's wish to be resolved again, which means
	// nothing to a view that is always live.
	_ = r.cc.UpdateState(state)
}

// endpoints describes the callable instances in gRPC's own terms, for
// balancers other than ours, all of which know endpoints by now. Ours goes by the snapshot, which also has those
// that are not callable now. What was made for the last snapshot is used
// again where the instance is the same.
func endpoints(instances []*adsum.Instance, last []resolver.Endpoint) []resolver.Endpoint {
	made := make([]resolver.Endpoint, 0, len(instances))
	for _, in := range instances {
		if !in.Status.Callable() {
			continue
		}
		for len(last) > 0 && InstanceOf(last[0].Attributes).ID < in.ID {
			last = last[1:]
		}
		if len(last) > 0 && InstanceOf(last[0].Attributes) == in {
			made = append(made, last[0])
			continue
		}
		addr, _ := in.Address("grpcs", "grpc")
		made = append(made, resolver.Endpoint{
			Addresses:  []resolver.Address{{Addr: addr}},
			Attributes: attributes.New(instanceKey{}, in),
		})
	}
	return made
}

type instanceKey struct{}

// InstanceOf returns the instance, with its weight, zone and metadata, that an
// endpoint's attributes or an address' were made from, or nil. Balancers find
// it in [resolver.Endpoint], transport credentials in
// [credentials.ClientHandshakeInfo].
func InstanceOf(a *attributes.Attributes) *adsum.Instance {
	in, _ := a.Value(instanceKey{}).(*adsum.Instance)
	return in
}

// feedOf returns what the resolver said, or an error if it was not ours.
func feedOf(s resolver.State) (*feed, error) {
	f, ok := s.Attributes.Value(feedKey{}).(*feed)
	if !ok {
		return nil, fmt.Errorf("balancer %s: the target is not %s:///SERVICE", BalancerName, Scheme)
	}
	return f, nil
}
