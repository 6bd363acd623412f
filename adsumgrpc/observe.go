package adsumgrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/lb"
)

// WithObserver tells an observer of the connections and of every call, such as
// adsumotel's for metrics and traces. Without one that costs nothing.
func WithObserver(observer lb.ClientObserver) Option {
	return Option{set: func(s *settings) { s.observer = observer }}
}

// Stats returns the numbers of a connection. It waits until the connection has
// looked for its service once, and fails as [WaitConnected] does. The calls of
// connections to one service that share one list of [DialOptions] are counted
// together.
func Stats(ctx context.Context, conn *grpc.ClientConn) (lb.ClientStats, error) {
	c, err := channelOf(ctx, conn)
	if err != nil {
		return lb.ClientStats{}, err
	}
	c.mu.Lock()
	client := c.client
	c.mu.Unlock()
	if client == nil {
		return lb.ClientStats{}, fmt.Errorf("%s was not made by adsumgrpc", conn.Target())
	}
	return client.Stats(), nil
}

// client returns who counts the calls of a service.
func (s *settings) client(service string) *lb.Client {
	if c := (*s.clients.Load())[service]; c != nil {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.clients.Load()
	if c := known[service]; c != nil {
		return c
	}
	// A copy, so that calls need no lock: the services of one list are few.
	clients := make(map[string]*lb.Client, len(known)+1)
	for name, c := range known {
		clients[name] = c
	}
	c := lb.NewClient(lb.ClientOptions{Transport: "grpc", Service: service, Budget: s.retry.Budget, Observer: s.observer})
	clients[service] = c
	s.clients.Store(&clients)
	return c
}

// ended is what a call's error tells of it. ctx is the caller's.
func ended(ctx context.Context, method string, err error) lb.Ended {
	e := lb.Ended{Method: method, Err: err}
	if err != nil {
		e.Result, e.Code = Result(ctx, err), int(status.Code(err))
	}
	return e
}

// streamEnd sees to it that the end of a stream is told once. One that may be
// opened again is held meanwhile, and ends with the stream opened last.
type streamEnd struct {
	client *lb.Client
	start  time.Time
	ctx    context.Context
	call   *lb.Call
	method string

	mu     sync.Mutex
	opened int // streams
	held   bool
	ended  bool  // the last one did
	err    error // with this
	told   bool
}

// begin counts a stream, which is held until it is open.
func (s *settings) begin(ctx context.Context, c *call, conn *grpc.ClientConn, method string) *streamEnd {
	client := s.client(serviceOf(conn))
	return &streamEnd{client: client, start: client.Begin(), ctx: ctx, call: c.Call, method: method, held: true}
}

// opening returns the options to open a stream with.
func (e *streamEnd) opening(opts []grpc.CallOption) []grpc.CallOption {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened++
	e.ended = false
	n := e.opened
	return append(slices.Clip(opts), grpc.OnFinish(func(err error) { e.finished(n, err) }))
}

// finished is told by gRPC of the end of the nth stream.
func (e *streamEnd) finished(n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n == e.opened {
		e.ended, e.err = true, err
		e.tell()
	}
}

// hold waits with telling, because the stream may be opened again.
func (e *streamEnd) hold() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = true
}

// release tells if the stream has ended: with err, unless that is nil.
func (e *streamEnd) release(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held = false
	if err != nil {
		e.ended, e.err = true, err
	}
	e.tell()
}

// tell tells, unless there is nothing to tell yet. The caller holds mu.
func (e *streamEnd) tell() {
	if e.held || !e.ended || e.told {
		return
	}
	e.told = true
	if errors.Is(e.err, io.EOF) {
		e.err = nil
	}
	e.client.End(e.ctx, e.start, e.call, ended(e.ctx, e.method, e.err))
}
