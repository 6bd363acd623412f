package adsumgrpc

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// WaitConnected waits until the client is connected to the copies it knows of:
// to one at least, and to every other one that does not fail to connect. A
// program that wants to begin with all copies in turn, not with those that
// answered first, waits for this. Calls need not: they wait for the first.
//
// It fails when ctx ends, with what there is still to wait for, and when conn
// is closed or was not made by this package.
func WaitConnected(ctx context.Context, conn *grpc.ClientConn) error {
	for {
		c, err := channelOf(ctx, conn)
		if err != nil {
			return err
		}
		ready, why, progress := c.connectedNow()
		if ready {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return fmt.Errorf("service %q: %w; %s", serviceOf(conn), ctx.Err(), why)
		}
	}
}

// connectedNow reports whether there is nothing to wait for, else what, and a
// channel that is closed when that may have changed.
func (c *channel) connectedNow() (ready bool, why string, progress <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.tally
	if n[connected] > 0 && n[connecting] == 0 && !c.paused && n[connected] == len(c.engine.Callable()) {
		return true, "", nil
	}
	if c.progress == nil {
		c.progress = make(chan struct{})
	}
	why = fmt.Sprintf("%d copies connected, %d connecting, %d failed", n[connected], n[connecting], n[failed])
	if n[failed] > 0 {
		why += ": " + c.lastErr.Error()
	}
	return false, why, c.progress
}

// connectedMethod is called on a connection to get hold of its balancer, which
// gRPC does not hand out: the picker recognises the method, introduces its
// channel, and ends the call before anything is sent.
const connectedMethod = "/adsum.Client/WaitConnected"

type introductionKey struct{}

// introduction is what the picker answers.
type introduction struct{ channel *channel }

var errIntroduced = status.Error(codes.Unavailable, "this call is answered by the client itself")

// introduce answers the call made by channelOf.
func (p *picker) introduce(ctx context.Context) error {
	if asked, ok := ctx.Value(introductionKey{}).(*introduction); ok {
		asked.channel = p.channel
	}
	return errIntroduced
}

// channelOf waits until the connection has a balancer and returns it.
func channelOf(ctx context.Context, conn *grpc.ClientConn) (*channel, error) {
	var asked introduction
	err := conn.Invoke(context.WithValue(ctx, introductionKey{}, &asked), connectedMethod, nil, nil)
	switch {
	case asked.channel != nil:
		return asked.channel, nil
	case ctx.Err() != nil || status.Code(err) == codes.Canceled:
		return nil, err
	default:
		return nil, fmt.Errorf("%s was not made by adsumgrpc: %w", conn.Target(), err)
	}
}

// serviceOf returns the service that a connection calls.
func serviceOf(conn *grpc.ClientConn) string {
	return strings.TrimPrefix(conn.Target(), Scheme+":///")
}
