package lb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ClientObserver is told what the clients of a program do, whatever the
// transport. It is given to them as an option; without one, nothing is measured
// for it. Its methods are called by many goroutines at once, on the way of calls,
// and must not block.
type ClientObserver interface {
	// ClientOpened is called when a client of a service begins. What it
	// returns, unless nil, is called when that client ends.
	ClientOpened(c *Client) (closed func())
	// CallEnded is called once for every call that ended, however often it
	// was tried, with the caller's own context.
	CallEnded(ctx context.Context, call Ended)
}

// Ended is a call that ended, as its caller saw it: all tries together.
type Ended struct {
	// Transport is "grpc", "http", "https" or "go-kit", and Service the name
	// that was called.
	Transport, Service string
	// Method is /package.Service/Method over gRPC, GET or another over HTTP,
	// and "" where the transport does not know it.
	Method string
	// Endpoint is the one that answered, or was tried last; nil if the call
	// ended with nobody to go to, or where the transport does not know.
	Endpoint *Endpoint
	// Tries is how often the call was sent one after the other, and Hedged
	// whether a try was sent to two endpoints at once.
	Tries  int
	Hedged bool
	// Latency is from the call's beginning to its end; over HTTP, to the
	// headers of the answer.
	Latency time.Duration
	// Result says how far the last server is to blame, Err is what the caller
	// got, and Code the status: gRPC's, or HTTP's, 0 without an answer.
	Result Result
	Err    error
	Code   int
}

// ClientOptions say whose calls a [Client] counts.
type ClientOptions struct {
	Transport, Service string
	Budget             *Budget        // may be nil
	Observer           ClientObserver // may be nil
}

// Client counts the calls of one client of a service, and tells its observer of
// them. It is for those who write transports. Its methods are safe for
// concurrent use; those for calls do not allocate and take no lock.
type Client struct {
	opts     ClientOptions
	balancer atomic.Pointer[Balancer]
	meter    meter
	won      atomic.Uint64 // hedges; seldom enough to be counted in one place
	denied   atomic.Uint64

	mu     sync.Mutex
	users  int
	closed func() // the observer's
}

// NewClient makes a Client that nobody uses yet; see [Client.Open].
func NewClient(opts ClientOptions) *Client { return &Client{opts: opts} }

// Open begins to use b for the client's calls, until what it returns is called:
// once. The observer is told of the first to open and the last to close.
func (c *Client) Open(b *Balancer) (closed func()) {
	c.balancer.Store(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users++; c.users == 1 && c.opts.Observer != nil {
		c.closed = c.opts.Observer.ClientOpened(c)
	}
	return c.leave
}

func (c *Client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users == 0 && c.closed != nil {
		c.closed()
		c.closed = nil
	}
}

// Observed reports whether there is anybody to be told of calls.
func (c *Client) Observed() bool { return c.opts.Observer != nil }

// Begin counts a call, which must be given to [Client.End]. The time it returns
// is zero when nobody observes.
func (c *Client) Begin() (start time.Time) {
	c.meter.lane().begun.Add(1)
	if c.opts.Observer != nil {
		start = time.Now()
	}
	return start
}

// End counts how a call ended, and tells the observer. call may be nil. Of ended,
// the transport sets what it knows of Method, Endpoint, Latency, Result, Err and
// Code; what the call and start tell is filled in.
func (c *Client) End(ctx context.Context, start time.Time, call *Call, ended Ended) {
	if call != nil {
		ended.Tries, ended.Hedged = call.Tries(), call.Hedged()
		if ended.Endpoint == nil {
			ended.Endpoint = call.Endpoint()
		}
	} else {
		ended.Tries = 1
	}
	c.count(call, &ended)
	if c.opts.Observer == nil {
		return
	}
	ended.Transport, ended.Service = c.opts.Transport, c.opts.Service
	if ended.Latency == 0 {
		ended.Latency = time.Since(start)
	}
	c.opts.Observer.CallEnded(ctx, ended)
}

func (c *Client) count(call *Call, ended *Ended) {
	l := c.meter.lane()
	if ended.Tries > 1 {
		l.retries.Add(uint64(ended.Tries - 1))
	}
	if ended.Hedged {
		l.hedges.Add(1)
	}
	if call != nil && call.won {
		c.won.Add(1)
	}
	if call != nil && call.denied {
		c.denied.Add(1)
	}
	if ended.Err != nil || ended.Result == Failure {
		l.countFailure(call, ended)
	}
	l.ended.Add(1)
}

func (l *lane) countFailure(call *Call, ended *Ended) {
	limited := errors.Is(ended.Err, ErrLimited)
	nobody := ended.Endpoint == nil && (limited || call != nil && ended.Result == Failure)
	switch {
	case nobody || errors.Is(ended.Err, ErrNoEndpoint):
		l.none.Add(1)
	case ended.Result == Failure:
		l.failures.Add(1)
	}
	if errors.Is(ended.Err, ErrBudget) {
		l.refused.Add(1)
	}
	if limited {
		l.limited.Add(1)
	}
}

// Stats returns the client's numbers.
func (c *Client) Stats() ClientStats {
	s := ClientStats{Transport: c.opts.Transport, Service: c.opts.Service, Calls: c.meter.stats()}
	s.Calls.HedgesWon, s.Calls.HedgesRefused = c.won.Load(), c.denied.Load()
	if b := c.balancer.Load(); b != nil {
		s.Balancer = b.Stats()
	}
	if c.opts.Budget != nil {
		s.Budget = c.opts.Budget.Stats()
	}
	return s
}
