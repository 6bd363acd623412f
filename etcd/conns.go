package etcd

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// conns are the connections of a client that [Open] made. It ends one on
// which a request waited for its whole time while not a byte arrived: gRPC's
// own keep-alive takes 15 s for that, and until then a third of all requests
// goes to a member of three that froze. A server that is merely slow still
// answers something. nil is no connections.
type conns struct {
	dialer  net.Dialer
	timeout time.Duration // less silence than this proves nothing

	mu   sync.Mutex
	open map[*conn]struct{} // guarded by mu
}

// conn knows when it last heard something.
type conn struct {
	net.Conn
	all *conns

	mu    sync.Mutex
	heard time.Time // guarded by mu
}

func (cs *conns) dial(ctx context.Context, addr string) (net.Conn, error) {
	raw, err := cs.dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, all: cs}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.open[c] = struct{}{}
	return c, nil
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.mu.Lock()
		c.heard = time.Now()
		c.mu.Unlock()
	}
	return n, err
}

func (c *conn) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

func (c *conn) silentSince(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard.Before(t)
}

// unanswered ends the connection to addr if it was silent since something was
// asked on it, which is long enough ago.
func (cs *conns) unanswered(addr net.Addr, asked time.Time) {
	if cs == nil || addr == nil || time.Since(asked) < cs.timeout {
		return
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		if c.RemoteAddr().String() == addr.String() && c.silentSince(asked) {
			_ = c.Conn.Close() // gRPC notices, and closes c
		}
	}
}

// unansweredStream is unanswered for the connection that a stream is on.
func (cs *conns) unansweredStream(stream grpc.ClientStream, asked time.Time) {
	if on, ok := peer.FromContext(stream.Context()); ok {
		cs.unanswered(on.Addr, asked)
	}
}

// unary watches over requests that have an answer of their own.
func (cs *conns) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var on peer.Peer
	asked := time.Now()
	err := invoke(ctx, method, req, reply, cc, append(opts[:len(opts):len(opts)], grpc.Peer(&on))...)
	if errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded {
		cs.unanswered(on.Addr, asked)
	}
	return err
}
