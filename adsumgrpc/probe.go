package adsumgrpc

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/adsum-go/adsum/lb"
)

const (
	probesMost   = 64 // under way on one channel
	probeTimeout = time.Second
)

// callerBuilder gets hold of a connection as something to call on, which is how
// gRPC lets balancers make calls of their own, past picker and interceptors.
type callerBuilder struct{}

func (callerBuilder) Build(conn any) (balancer.Producer, func()) { return conn, func() {} }

// listen lets an endpoint be asked as long as it is connected, if the policy
// wants that.
func (l *link) listen(ready bool) {
	switch asks := ready && l.channel.asks.Load(); {
	case asks == (l.release != nil):
	case asks:
		producer, release := l.conn.GetOrBuildProducer(callerBuilder{})
		l.release = release
		if caller, ok := producer.(grpc.ClientConnInterface); ok {
			l.caller.Store(&caller)
		}
	default:
		l.caller.Store(nil)
		l.release()
		l.release = nil
	}
}

// probe asks an endpoint for its load; see [lb.Options.Probe].
func (c *channel) probe(ep *lb.Endpoint) bool {
	l, ok := ep.Attached().(*link)
	if !ok {
		return false
	}
	caller := l.caller.Load()
	if caller == nil {
		return false
	}
	select {
	case c.probing <- struct{}{}:
	default:
		return false
	}
	go func() {
		defer func() { <-c.probing }()
		ctx, cancel := context.WithTimeout(c.ctx, probeTimeout)
		defer cancel()
		switch load, err := ask(ctx, *caller); {
		case load.Known:
			c.engine.Loaded(ep, load)
		case err == nil || status.Code(err) == codes.Unimplemented:
			// Not before it was connected anew is it asked again.
			l.caller.CompareAndSwap(caller, nil)
		}
	}()
	return true
}

// ask makes the call of a probe. A connection knows no call options, so the
// trailers are to be had from a stream only, when it has ended.
func ask(ctx context.Context, conn grpc.ClientConnInterface) (lb.Load, error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{}, probeMethod)
	if err != nil {
		return lb.Load{}, err
	}
	// What is wrong with sending, receiving tells.
	if err := stream.SendMsg(&emptypb.Empty{}); err != nil && !errors.Is(err, io.EOF) {
		return lb.Load{}, err
	}
	for err == nil {
		err = stream.RecvMsg(&emptypb.Empty{})
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return loadOf(stream.Trailer()), err
}

// wantsLoads reports whether a policy goes by what servers tell of their load.
func wantsLoads(policy lb.Policy) bool {
	n, ok := policy.(lb.Needer)
	return ok && n.Needs()&lb.Loads != 0
}
