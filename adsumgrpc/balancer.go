package adsumgrpc

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// BalancerName names the balancer of this package in a service config.
const BalancerName = "adsum_lb"

// gRPC finds balancers only by name in a global table.
func init() { balancer.Register(balancerBuilder{}) }

type balancerBuilder struct{}

func (balancerBuilder) Name() string { return BalancerName }

func (balancerBuilder) Build(cc balancer.ClientConn, opts balancer.BuildOptions) balancer.Balancer {
	c := &channel{cc: cc, secure: secure(opts), probing: make(chan struct{}, probesMost)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// secure tells whether connections are made with transport security.
func secure(opts balancer.BuildOptions) bool {
	creds := opts.DialCreds
	if creds == nil && opts.CredsBundle != nil {
		creds = opts.CredsBundle.TransportCredentials()
	}
	// "insecure" is what gRPC's insecure credentials call themselves.
	return creds != nil && creds.Info().SecurityProtocol != "insecure"
}

// channel is the balancer of one client connection. It keeps one link to each
// endpoint, tells the engine which of them are reachable, and hands gRPC a new
// picker whenever the engine has compiled a new view, which is also what wakes
// calls that wait.
//
// gRPC calls its methods and the links' from one goroutine at a time. The
// engine calls publish from others.
type channel struct {
	cc     balancer.ClientConn
	secure bool
	engine *lb.Balancer // nil before the first feed
	leave  func()       // the client that counts its calls
	links  []*link      // of the engine's endpoints
	round  uint64       // of reconcile
	// version is that of the config that the engine's policy is from.
	version uint64

	asks    atomic.Bool   // the policy goes by what servers tell of their load
	probing chan struct{} // holds as many as there are probes under way
	ctx     context.Context
	cancel  context.CancelFunc // ends probes

	mu       sync.Mutex // orders what is published; taken after the engine's locks, never before
	paused   bool       // links are being made: do not publish before that is done
	closed   bool
	feedErr  error // why nothing is known of the service
	known    bool  // whether anything is
	client   *lb.Client
	tally    [phases]int
	lastErr  error         // of a connection
	progress chan struct{} // closed at the next change of these and of the view, if somebody waits
}

// UpdateClientConnState takes in what the resolver says.
func (c *channel) UpdateClientConnState(s balancer.ClientConnState) error {
	f, err := feedOf(s.ResolverState)
	if err != nil {
		c.ResolverError(err)
		return err
	}
	if c.engine == nil {
		c.version = f.settings.version()
		policy := f.settings.policyNow()
		c.asks.Store(wantsLoads(policy))
		c.engine = lb.New(policy, lb.Options{
			Protocols:      c.protocols(),
			TrackReachable: true,
			OnChange:       c.publish,
			Probe:          c.probe,
			Inspector:      f.settings.inspector,
			Transport:      "grpc",
		})
		client := f.settings.client(f.snapshot.Service)
		c.leave = client.Open(c.engine)
		c.update(func() { c.client = client })
	}
	c.update(func() { c.paused, c.feedErr, c.known = true, f.err, f.snapshot.Known() })
	if version := f.settings.version(); version != c.version {
		c.version = version
		policy := f.settings.policyNow()
		c.asks.Store(wantsLoads(policy))
		for _, l := range c.links {
			l.listen(l.phase == connected && !l.closed)
		}
		c.engine.SetPolicy(policy)
	}
	c.engine.Update(f.snapshot)
	c.reconcile()
	c.update(func() { c.paused = false })
	c.publish()
	return nil
}

// protocols lists which endpoints of an instance are called, best first. In
// clear, a secure one comes last so that it is seen, and refused.
func (c *channel) protocols() []string {
	if c.secure {
		return []string{"grpcs", "grpc"}
	}
	return []string{"grpc", "grpcs"}
}

// ResolverError is called when the target is not one of ours, or the service
// config is broken.
func (c *channel) ResolverError(err error) {
	c.update(func() { c.feedErr = err })
	c.publish()
}

// reconcile gives every endpoint that may be called a link and closes those
// of endpoints that are gone. An endpoint that must not be called keeps the
// link it has, in case it recovers, until that breaks.
func (c *channel) reconcile() {
	c.round++
	links := make([]*link, 0, len(c.links))
	for _, ep := range c.engine.Endpoints() {
		l, _ := ep.Attached().(*link)
		callable := c.engine.Wants(ep)
		if l == nil || l.closed {
			if !callable {
				continue
			}
			l = c.connect(ep)
		}
		l.setCallable(callable)
		if l.closed {
			continue
		}
		l.round = c.round
		links = append(links, l)
	}
	for _, l := range c.links {
		if l.round != c.round {
			l.close()
		}
	}
	c.links = links
}

// UpdateSubConnState is not used: links listen themselves.
func (c *channel) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// ExitIdle does nothing: links never rest.
func (c *channel) ExitIdle() {}

// Close ends all links. Calls that run on them end in their own time.
func (c *channel) Close() {
	c.update(func() { c.closed = true })
	c.cancel()
	if c.engine != nil {
		c.leave()
		c.engine.Close()
	}
	for _, l := range c.links {
		l.close()
	}
}

// update changes what publish and WaitConnected go by.
func (c *channel) update(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.wake()
}

// wake lets WaitConnected look again. The caller holds mu.
func (c *channel) wake() {
	if c.progress != nil {
		close(c.progress)
		c.progress = nil
	}
}

// publish hands gRPC the state of the channel and a picker.
func (c *channel) publish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused || c.closed {
		return
	}
	state := c.state()
	p := &picker{channel: c, engine: c.engine, wait: state != connectivity.TransientFailure, cause: c.feedErr}
	if p.cause == nil && c.tally[failed] > 0 {
		p.cause = c.lastErr
	}
	c.cc.UpdateState(balancer.State{ConnectivityState: state, Picker: p})
	c.wake()
}

// state is that of the channel as a whole. The caller holds mu.
func (c *channel) state() connectivity.State {
	switch {
	case c.engine != nil && len(c.engine.Callable()) > 0:
		return connectivity.Ready
	case c.tally[connecting] > 0, c.tally[connected] > 0, !c.known && c.feedErr == nil:
		return connectivity.Connecting
	default:
		return connectivity.TransientFailure
	}
}

// errInsecure refuses to call a secure endpoint in clear.
func errInsecure(in *adsum.Instance, addr string) error {
	return fmt.Errorf("%s offers gRPC only over TLS, at %s, and this client has no transport security; give it transport credentials", in, addr)
}
