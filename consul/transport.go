package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adsum-go/adsum"
)

// transport brings requests to the first agent that takes them, with the
// token of the moment. Answers come gzipped.
//
// One agent is used until it fails, as a registration lives in one. Which one
// is decided where connections are made, so that the agents of a URL look
// like one to the client.
type transport struct {
	agents []string // host:port
	trust  *trust   // nil without TLS
	token  func() (string, error)
	dialer net.Dialer
	base   *http.Transport

	mu      sync.Mutex
	current int // index of the agent in use; guarded by mu
}

// agentConn is a connection that knows whose it is.
type agentConn struct {
	net.Conn
	agent int
}

func newTransport(agents []string, t *trust, token func() (string, error), dialTimeout time.Duration) *transport {
	tr := &transport{agents: agents, trust: t, token: token, dialer: net.Dialer{Timeout: dialTimeout, KeepAlive: 10 * time.Second}}
	tr.base = &http.Transport{
		DialContext:         tr.dial,
		DialTLSContext:      tr.dial,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     30 * time.Second,
	}
	return tr
}

// RoundTrip implements [http.RoundTripper]. The next request goes to the next
// agent after one that failed on the way.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := t.token()
	if err != nil {
		return nil, fmt.Errorf("%w: the token: %w", adsum.ErrDenied, err)
	}
	if token != "" {
		request = request.Clone(request.Context())
		request.Header.Set("X-Consul-Token", token)
	}
	var used atomic.Pointer[agentConn]
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if conn, ok := info.Conn.(*agentConn); ok {
			used.Store(conn)
		}
	}}
	response, err := t.base.RoundTrip(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
	if conn := used.Load(); conn != nil && err != nil && !errors.Is(err, context.Canceled) {
		t.leave(conn.agent)
	}
	return response, err
}

func (t *transport) agent() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// leave goes on to the next agent, unless another request did so already.
func (t *transport) leave(agent int) {
	t.mu.Lock()
	moved := t.current == agent && len(t.agents) > 1
	if moved {
		t.current = (agent + 1) % len(t.agents)
	}
	t.mu.Unlock()
	if moved {
		t.base.CloseIdleConnections()
	}
}

// dial connects to the agent in use, or else to the next that can be reached.
func (t *transport) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var failures error
	first := t.agent()
	for i := range t.agents {
		n := (first + i) % len(t.agents)
		conn, err := t.connect(ctx, network, t.agents[n])
		if err == nil {
			t.mu.Lock()
			t.current = n
			t.mu.Unlock()
			return &agentConn{conn, n}, nil
		}
		failures = errors.Join(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failures
}

func (t *transport) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := t.dialer.DialContext(ctx, network, addr)
	if err != nil || t.trust == nil {
		return conn, err
	}
	ctx, cancel := context.WithTimeout(ctx, t.base.TLSHandshakeTimeout)
	defer cancel()
	secured, err := t.trust.secure(ctx, conn, addr)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}
