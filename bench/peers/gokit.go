package peers

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kitlb "github.com/go-kit/kit/sd/lb"
	"github.com/go-kit/log"

	"github.com/adsum-go/adsum/lb/lbtest"
)

func goKit() []Contender {
	return []Contender{
		{
			Policy: "round_robin", Library: "go-kit", Name: "go-kit sd/lb RoundRobin",
			Open: openKit(kitlb.NewRoundRobin, onePick),
			Live: liveKit(kitlb.NewRoundRobin),
		},
		{
			Policy: "random", Library: "go-kit", Name: "go-kit sd/lb Random, in a mutex",
			Open: openKit(func(s sd.Endpointer) kitlb.Balancer { return &locked{balancer: kitlb.NewRandom(s, 1)} }, onePick),
			Live: liveKit(func(s sd.Endpointer) kitlb.Balancer { return kitlb.NewRandom(s, 1) }),
		},
		{
			Policy: "round_robin+retry", Library: "go-kit", Name: "go-kit sd/lb RoundRobin, Retry",
			Open: openKit(kitlb.NewRoundRobin, func(b kitlb.Balancer) endpoint.Endpoint { return kitlb.Retry(3, 3*time.Second, b) }),
		},
	}
}

func openKit(balance func(sd.Endpointer) kitlb.Balancer, wrap func(kitlb.Balancer) endpoint.Endpoint) func(n int) (Fleet, error) {
	return func(n int) (Fleet, error) {
		source := newEvents(n)
		endpointer := sd.NewEndpointer(source, answering, log.NewNopLogger())
		fleet := &changing{endpoints{wrap(balance(endpointer)), endpointer.Close}, source}
		fleet.wait()
		return fleet, nil
	}
}

// liveKit makes a balancer that is asked for one endpoint at a time. go-kit's
// Retry calls it again, and so does the simulation.
func liveKit(balance func(sd.Endpointer) kitlb.Balancer) func(addrs []string) (Living, error) {
	return func(addrs []string) (Living, error) {
		source := &events{lists: [2][]string{addrs}}
		endpointer := sd.NewEndpointer(source, answering, log.NewNopLogger())
		fleet := &livingKit{changing{endpoints{onePick(balance(endpointer)), endpointer.Close}, source}}
		fleet.wait()
		return fleet, nil
	}
}

// livingKit hears nothing of how calls end, nor of connections.
type livingKit struct{ changing }

func (f *livingKit) Begin() (string, func(lbtest.Answer), error) {
	addr, err := f.Pick()
	return addr, nil, err
}

func (f *livingKit) List(addrs []string) {
	f.events.listener <- sd.Event{Instances: addrs}
	f.wait()
}

// locked is what a user has to put around go-kit's Random, which is not safe
// for concurrent use.
type locked struct {
	mu       sync.Mutex
	balancer kitlb.Balancer
}

func (l *locked) Endpoint() (endpoint.Endpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.balancer.Endpoint()
}

// onePick calls what the balancer picks, once.
func onePick(balancer kitlb.Balancer) endpoint.Endpoint {
	return func(ctx context.Context, request any) (any, error) {
		call, err := balancer.Endpoint()
		if err != nil {
			return nil, err
		}
		return call(ctx, request)
	}
}

// answering makes endpoints that answer at once with their address.
func answering(addr string) (endpoint.Endpoint, io.Closer, error) {
	var answer any = addr
	return func(context.Context, any) (any, error) { return answer, nil }, nil, nil
}

// events is an instancer that says what it is told to.
type events struct {
	lists    [2][]string
	turn     int
	listener chan<- sd.Event
}

func newEvents(n int) *events { return &events{lists: addresses(n)} }

func (e *events) Register(listener chan<- sd.Event) {
	e.listener = listener
	e.listener <- sd.Event{Instances: e.lists[0]}
}

func (e *events) Deregister(chan<- sd.Event) {}
func (e *events) Stop()                      {}

// endpoints is a go-kit balancer with what its users wrap around it.
type endpoints struct {
	call  endpoint.Endpoint
	close func()
}

func (f *endpoints) Calls(pb *testing.PB) {
	ctx := context.Background()
	for pb.Next() {
		if _, err := f.call(ctx, nil); err != nil {
			panic(err)
		}
	}
}

func (f *endpoints) Pick() (string, error) {
	answer, err := f.call(context.Background(), nil)
	addr, _ := answer.(string)
	return addr, err
}

func (f *endpoints) Close() { f.close() }

// changing are endpoints that follow an instancer.
type changing struct {
	endpoints
	events *events
}

func (f *changing) Replace() error {
	f.events.turn ^= 1
	f.events.listener <- sd.Event{Instances: f.events.lists[f.events.turn]}
	f.wait()
	return nil
}

// wait returns when the endpointer has taken in what it was told before. It
// listens again only then, and an error changes nothing for it.
func (f *changing) wait() { f.events.listener <- sd.Event{Err: errNothingNew} }

var errNothingNew = errors.New("nothing new")
