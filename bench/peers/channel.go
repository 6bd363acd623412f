package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	orca "github.com/cncf/xds/go/xds/data/orca/v3"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbtest"
)

// channel stands where a grpc.ClientConn stands: it gives a real gRPC balancer
// the addresses, connections that are there as soon as they are asked for, and
// takes the pickers that the balancer makes.
type channel struct {
	balancer.ClientConn // for the methods that no balancer calls here

	balancer balancer.Balancer
	config   serviceconfig.LoadBalancingConfig
	picker   atomic.Pointer[balancer.Picker]

	mu     sync.Mutex
	events []func() // what connections have to say, in order

	connections map[*connection]bool // that are not shut down
	down        map[string]bool      // addresses that refuse connections

	lists [2]resolver.State
	turn  int
}

// newChannel makes a channel with no address yet.
func newChannel(policy, config string, n int) (*channel, error) {
	builder := balancer.Get(policy)
	if builder == nil {
		return nil, fmt.Errorf("gRPC knows no balancer %q", policy)
	}
	c := &channel{connections: map[*connection]bool{}, down: map[string]bool{}}
	if parser, ok := builder.(balancer.ConfigParser); ok {
		parsed, err := parser.ParseConfig(json.RawMessage(config))
		if err != nil {
			return nil, err
		}
		c.config = parsed
	}
	for i, list := range addresses(n) {
		c.lists[i] = stateOf(list)
	}
	c.balancer = builder.Build(c, balancer.BuildOptions{})
	return c, nil
}

func stateOf(addrs []string) (s resolver.State) {
	for _, addr := range addrs {
		a := resolver.Address{Addr: addr}
		s.Addresses = append(s.Addresses, a)
		s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{a}})
	}
	return s
}

// update hands the current list to the balancer.
func (c *channel) update() error {
	return c.balancer.UpdateClientConnState(balancer.ClientConnState{
		ResolverState:  c.lists[c.turn],
		BalancerConfig: c.config,
	})
}

// connect updates, and then lets one connection after the other be made, as
// they are in life.
func (c *channel) connect() error {
	err := c.update()
	c.settle()
	return err
}

// open lets the connections be made while the balancer still takes in the
// list, when most balancers do not make a new picker for each.
func (c *channel) open() error {
	var updated atomic.Bool
	var settled sync.WaitGroup
	settled.Go(func() {
		for !updated.Load() {
			c.settle()
		}
	})
	err := c.update()
	updated.Store(true)
	settled.Wait()
	c.settle()
	return err
}

// settle delivers what the connections have to say, and what follows from it.
func (c *channel) settle() {
	for {
		c.mu.Lock()
		if len(c.events) == 0 {
			c.mu.Unlock()
			return
		}
		events := c.events
		c.events = nil
		c.mu.Unlock()
		for _, deliver := range events {
			deliver()
		}
	}
}

// later queues what a connection has to say: it must not be said from within
// a call of the balancer.
func (c *channel) later(deliver func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, deliver)
}

func (c *channel) NewSubConn(addrs []resolver.Address, opts balancer.NewSubConnOptions) (balancer.SubConn, error) {
	conn := &connection{channel: c, addr: addrs[0].Addr, listener: opts.StateListener}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connections[conn] = true
	return conn, nil
}

func (c *channel) forget(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.connections, conn)
}

func (c *channel) refuses(addr string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down[addr]
}

func (c *channel) UpdateState(s balancer.State)          { c.picker.Store(&s.Picker) }
func (c *channel) ResolveNow(resolver.ResolveNowOptions) {}
func (c *channel) Target() string                        { return "list:///book" }
func (c *channel) MetricsRecorder() stats.MetricsRecorder {
	return stats.UnimplementedMetricsRecorder{}
}
func (c *channel) RemoveSubConn(sc balancer.SubConn) { sc.Shutdown() }

func (c *channel) pick(i int) (balancer.PickResult, error) {
	return (*c.picker.Load()).Pick(balancer.PickInfo{FullMethodName: "/book.Book/Get", Ctx: contexts[i%len(contexts)]})
}

// Calls does what a gRPC call does of it: load the picker, pick, and report
// the end to whoever asked for it.
func (c *channel) Calls(pb *testing.PB) {
	for i := 0; pb.Next(); i++ {
		picked, err := c.pick(i)
		if err != nil {
			panic(err)
		}
		if picked.Done != nil {
			picked.Done(balancer.DoneInfo{BytesSent: true, BytesReceived: true})
		}
	}
}

func (c *channel) Pick() (string, error) {
	picked, err := c.pick(0)
	if err != nil {
		return "", err
	}
	if picked.Done != nil {
		picked.Done(balancer.DoneInfo{})
	}
	return picked.SubConn.(*connection).addr, nil
}

// Begin is [channel.Pick] for a call that lasts.
func (c *channel) Begin() (string, func(lbtest.Answer), error) {
	picked, err := c.pick(0)
	if err != nil {
		return "", nil, err
	}
	var done func(lbtest.Answer)
	if picked.Done != nil {
		done = func(a lbtest.Answer) {
			info := balancer.DoneInfo{Err: failure(a), BytesSent: true, BytesReceived: a.Result == lb.Success}
			if a.Load != nil {
				info.ServerLoad = &orca.OrcaLoadReport{ApplicationUtilization: a.Load.Utilization, RpsFractional: a.Load.Rate}
			}
			picked.Done(info)
		}
	}
	return picked.SubConn.(*connection).addr, done, nil
}

func (c *channel) List(addrs []string) {
	c.lists[c.turn] = stateOf(addrs)
	if err := c.connect(); err != nil {
		panic(err)
	}
}

// SetConnected breaks a connection, or ends its back-off.
func (c *channel) SetConnected(addr string, can bool) {
	c.mu.Lock()
	c.down[addr] = !can
	var told []*connection
	for conn := range c.connections {
		if conn.addr == addr {
			told = append(told, conn)
		}
	}
	c.mu.Unlock()
	for _, conn := range told {
		conn.say(conn.listener, connectivity.Idle)
	}
	c.settle()
}

func (c *channel) Replace() error {
	c.turn ^= 1
	return c.connect()
}

func (c *channel) Close() {
	c.balancer.Close()
	c.settle()
}

// contexts are those of calls with a key, which gRPC's ring takes from the
// metadata.
var contexts = func() []context.Context {
	list := make([]context.Context, len(keys))
	for i, key := range keys {
		list[i] = metadata.NewOutgoingContext(context.Background(), metadata.Pairs(keyHeader, key))
	}
	return list
}()

const keyHeader = "user"

// connection is one to a server that is always there.
type connection struct {
	balancer.SubConn // for the methods that no balancer calls here

	channel  *channel
	addr     string
	listener func(balancer.SubConnState)
}

func (c *connection) Connect() {
	c.say(c.listener, connectivity.Connecting)
	if c.channel.refuses(c.addr) {
		c.say(c.listener, connectivity.TransientFailure)
		return
	}
	c.say(c.listener, connectivity.Ready)
}

func (c *connection) RegisterHealthListener(listener func(balancer.SubConnState)) {
	if listener != nil {
		c.say(listener, connectivity.Ready)
	}
}

func (c *connection) Shutdown() {
	c.channel.forget(c)
	c.say(c.listener, connectivity.Shutdown)
}

func (c *connection) say(listener func(balancer.SubConnState), state connectivity.State) {
	c.channel.later(func() {
		s := balancer.SubConnState{ConnectivityState: state}
		if state == connectivity.TransientFailure {
			s.ConnectionError = errRefused
		}
		listener(s)
	})
}

var errRefused = errors.New("connection refused")
