package adsumgrpc

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// unary sends a call and counts it.
func (s *settings) unary(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c := s.newCall(ctx, method)
	if method == connectedMethod {
		return s.explain(conn, invoke(c, method, req, reply, conn, opts...)) // nobody's call
	}
	client := s.client(serviceOf(conn))
	start := client.Begin()
	err := s.send(c, method, req, reply, conn, invoke, opts)
	client.End(ctx, start, c.Call, ended(ctx, method, err))
	return err
}

// send tries a call again where that is safe.
func (s *settings) send(c *call, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts []grpc.CallOption) error {
	once := func(ctx context.Context, reply any, opts []grpc.CallOption) error {
		return invoke(ctx, method, req, reply, conn, opts...)
	}
	try := func(ctx context.Context) error {
		c.trailer = nil
		return once(ctx, reply, opts)
	}
	if hedge := s.hedgeOf(c, method, reply); hedge != nil {
		try = newHedged(hedge, c, reply, opts, once).try
	}
	err := s.retryNow().Do(c, c.Call, try, c.verdict)
	c.report(opts)
	return c.unwrapping(s.explain(conn, err))
}

// explain adds to an error of the context that nothing is known of the service
// yet, and the registry's error, which gRPC cannot know.
func (s *settings) explain(conn *grpc.ClientConn, err error) error {
	if err == nil {
		return nil
	}
	if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Canceled {
		return err
	}
	view, openErr := s.dir.Open(serviceOf(conn))
	if openErr != nil {
		return err
	}
	defer view.Close()
	snapshot := view.Snapshot()
	if snapshot.Known() {
		return err
	}
	err = fmt.Errorf("%w; nothing is known of service %q yet", err, snapshot.Service)
	if snapshot.Err != nil {
		err = fmt.Errorf("%w; last error of the registry: %w", err, snapshot.Err)
	}
	return err
}
