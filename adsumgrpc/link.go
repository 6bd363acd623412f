package adsumgrpc

import (
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/adsum-go/adsum/lb"
)

// link is the connection to one endpoint. It is made at once, and made again,
// with gRPC's back-off, whenever it breaks. It hangs on its endpoint, where
// picks find it.
type link struct {
	channel  *channel
	endpoint *lb.Endpoint
	conn     balancer.SubConn // nil if the endpoint must not be called
	round    uint64           // of the last reconcile that wanted it
	phase    phase
	callable bool // and therefore counted
	closed   bool

	caller  atomic.Pointer[grpc.ClientConnInterface] // to ask for the load; nil if that is of no use
	release func()                                   // of caller
}

// phase is how far a link is.
type phase uint8

const (
	connecting phase = iota // for the first time, or after it had been connected
	connected
	failed // until it is connected: attempts go on, but nobody should wait for them
	phases
)

// connect makes the link to an endpoint.
func (c *channel) connect(ep *lb.Endpoint) *link {
	l := &link{channel: c, endpoint: ep}
	ep.Attach(l)
	if !c.secure && ep.Protocol() == "grpcs" {
		l.fail(errInsecure(ep.Instance(), ep.Addr()))
		return l
	}
	addr := resolver.Address{Addr: ep.Addr(), Attributes: attributes.New(instanceKey{}, ep.Instance())}
	//lint:ignore SA1019 deprecated for several addresses; there is no other way to one
	conn, err := c.cc.NewSubConn([]resolver.Address{addr}, balancer.NewSubConnOptions{
		HealthCheckEnabled: true,
		StateListener:      l.changed,
	})
	if err != nil { // the client connection is closing
		l.fail(err)
		return l
	}
	l.conn = conn
	conn.Connect()
	return l
}

// changed is told by gRPC of every change of the connection.
func (l *link) changed(s balancer.SubConnState) {
	if l.closed {
		return
	}
	l.listen(s.ConnectivityState == connectivity.Ready)
	switch s.ConnectivityState {
	case connectivity.Ready:
		l.move(connected)
	case connectivity.TransientFailure:
		l.fail(fmt.Errorf("%s: %w", l.endpoint, s.ConnectionError))
	case connectivity.Connecting:
		l.interrupted()
	case connectivity.Idle:
		l.interrupted()
		if l.callable {
			l.conn.Connect()
		} else {
			l.close()
		}
	}
}

// interrupted is a link that had been connected and will be again.
func (l *link) interrupted() {
	if l.phase == connected {
		l.move(connecting)
	}
}

func (l *link) fail(err error) {
	l.channel.update(func() { l.channel.lastErr = err })
	l.move(failed)
}

// move goes to another phase and tells the engine. The engine publishes when
// the set of those that can be called changes; what calls should wait for is
// published here.
func (l *link) move(to phase) {
	if l.phase == to {
		return
	}
	waited := l.count(func() { l.phase = to })
	l.channel.engine.SetReachable(l.endpoint, to == connected)
	if waited {
		l.channel.publish()
	}
}

// setCallable counts the link only while its endpoint may be called. One that
// must not be is given up unless it is connected.
func (l *link) setCallable(callable bool) {
	if callable != l.callable {
		l.count(func() { l.callable = callable })
	}
	if !callable && l.phase != connected {
		l.close()
	}
}

// count makes a change that moves the link from one tally to another, and
// reports whether it decides if there is a connection to wait for.
func (l *link) count(change func()) (decisive bool) {
	c := l.channel
	c.update(func() {
		waiting := c.tally[connecting] > 0
		if l.callable {
			c.tally[l.phase]--
		}
		change()
		if l.callable {
			c.tally[l.phase]++
		}
		decisive = waiting != (c.tally[connecting] > 0)
	})
	return decisive
}

// close ends the link. Calls that run on it end in their own time.
func (l *link) close() {
	if l.closed {
		return
	}
	l.closed = true
	l.count(func() { l.callable = false })
	l.channel.engine.SetReachable(l.endpoint, false)
	if l.conn != nil {
		l.listen(false)
		l.conn.Shutdown()
	}
}
