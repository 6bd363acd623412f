package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
)

// session is one session with the ensemble, on whatever connection. It is
// supervised here because the client library tells neither of an expiry while
// it cannot connect nor of an ensemble that lost its memory. Once over, it
// does not come back: the next user begins another.
type session struct {
	r     *Registry
	conn  *zk.Conn
	hosts *hosts
	login *login        // nil without credentials
	asked time.Duration // the timeout that was asked for

	ctx  context.Context // ends with the session
	end  context.CancelCauseFunc
	poke chan struct{} // wakes the supervisor

	mu       sync.Mutex
	changed  chan struct{}           // closed and replaced when what follows changes
	up       bool                    // requests are answered
	down     chan struct{}           // closed when up ends
	since    time.Time               // when up last changed
	term     context.Context         // of leases; ends when the session lapses
	endTerm  context.CancelCauseFunc // guarded by mu, like term
	heardAt  time.Time               // of the last packet
	begun    bool                    // the ensemble knows the session
	timeout  time.Duration           // as negotiated
	failures int                     // to connect, since the session was up
	refusals int                     // of those, by a server that closed the connection
	failedAt time.Time               // the last time
	why      error                   // of the last failure
	wire     *wire                   // the latest connection
	dialled  time.Time               // when it was
	zxid     int64                   // the highest heard of
	seen     int64                   // the highest that an answer had
	armed    map[watchpoint]*armed   // watches set at the server
	readers  map[string][]*reader    // by directory or node
}

// newSession begins to connect; the caller awaits it.
func newSession(r *Registry, timeout time.Duration) *session {
	s := &session{
		r: r, hosts: newHosts(r.hosts), login: r.newLogin(), asked: timeout, timeout: timeout,
		poke: make(chan struct{}, 1), changed: make(chan struct{}), down: make(chan struct{}), since: time.Now(),
		armed: map[watchpoint]*armed{}, readers: map[string][]*reader{},
	}
	s.ctx, s.end = context.WithCancelCause(r.ctx)
	s.term, s.endTerm = context.WithCancelCause(s.ctx)
	// The only error is that of a list of hosts, which is ours here.
	conn, events, _ := zk.Connect([]string{"unused"}, timeout, zk.WithHostProvider(s.hosts), zk.WithDialer(s.dial),
		zk.WithEventCallback(s.event), zk.WithLogger(silent{}), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxPacket))
	s.conn = conn
	if !r.spawn(func() { s.supervise(); s.shut(events) }) {
		s.shut(events)
	}
	return s
}

// maxPacket bounds an answer: the names of a million instances.
const maxPacket = 64 << 20

// silent drops what the library logs; errors are returned.
type silent struct{}

func (silent) Printf(string, ...any) {}

// errOver is why a session ended, or part of it.
var errOver = errors.New("the session is over")

// dial is the library's way to a server. One attempt, the handshake included,
// takes no longer than Options.DialTimeout.
func (s *session) dial(network, addr string, _ time.Duration) (net.Conn, error) {
	s.pace()
	ctx, cancel := context.WithTimeout(s.ctx, s.r.opts.DialTimeout)
	defer cancel()
	conn, err := s.r.trust.dial(ctx, network, addr)
	if err != nil {
		s.failed(err, false)
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetReadDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.mu.Lock()
	w := &wire{Conn: conn, session: s, seen: s.seen}
	s.wire = w
	s.mu.Unlock()
	return w, nil
}

// leastPause keeps connections that break at once from becoming a storm.
const leastPause = 100 * time.Millisecond

// pace waits until the next attempt is due. The jitter keeps clients that lost
// the same server from coming back in step.
func (s *session) pace() {
	s.mu.Lock()
	wait := time.Until(s.dialled.Add(leastPause))
	if s.failures > 0 {
		wait = max(wait, 0) + rand.N(leastPause)
	}
	s.mu.Unlock()
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-s.ctx.Done():
		}
	}
	s.mu.Lock()
	s.dialled = time.Now()
	s.mu.Unlock()
}

// event is called by the library, and does not block.
func (s *session) event(e zk.Event) {
	if e.Type != zk.EventSession {
		s.dispatch(e)
		return
	}
	switch e.State {
	case zk.StateHasSession:
		s.connected()
	case zk.StateDisconnected:
		s.disconnected()
	case zk.StateExpired:
		s.end(fmt.Errorf("%w: the ensemble let it expire", errOver))
	case zk.StateAuthFailed:
		s.failed(zk.ErrAuthFailed, false)
	}
}

// connected notes that the server took the session. Credentials are added by
// the supervisor the first time, and by the library from then on.
func (s *session) connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = true
	if s.login.isReady() {
		s.setUp()
	}
	s.wake()
}

// setUp opens the session for requests. The caller holds mu.
func (s *session) setUp() {
	if s.up {
		return
	}
	s.up, s.since, s.down = true, time.Now(), make(chan struct{})
	if s.term.Err() != nil {
		s.term, s.endTerm = context.WithCancelCause(s.ctx)
	}
	s.failures, s.refusals, s.why = 0, 0, nil
	s.announce()
}

func (s *session) disconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up {
		s.up, s.since = false, time.Now()
		close(s.down)
	}
	s.announce()
	s.wake()
}

// failed notes an attempt to connect that came to nothing.
func (s *session) failed(err error, refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why, s.failedAt = err, time.Now()
	s.failures++
	if refused {
		s.refusals++
	}
	s.announce()
	s.wake()
}

// negotiated takes the timeout that the server granted.
func (s *session) negotiated(timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heardAt = time.Now(); timeout > 0 {
		s.timeout = timeout
	}
}

// heard takes the transaction number of an answer to a request, or of a ping or an
// event, whose requests are negative.
func (s *session) heard(request int32, zxid int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zxid, s.heardAt = max(s.zxid, zxid), time.Now()
	if request >= 0 {
		s.seen = max(s.seen, zxid)
	}
}

func (s *session) sequence() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(s.zxid)
}

// id is the ensemble's name for the session.
func (s *session) id() int64 { return s.conn.SessionID() }

// leaseTerm is the context of leases that begin now.
func (s *session) leaseTerm() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.term
}

// downs returns a channel that is closed when the connection is lost.
func (s *session) downs() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// announce tells whoever waits for a change. The caller holds mu.
func (s *session) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *session) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

const (
	// fresh is for how long a failed attempt tells that the next one will
	// fail.
	fresh = time.Second
	// impatience is for how long a call fails as soon as no server is
	// reached. In a longer outage it waits instead, so that whoever tries
	// again, ever more slowly, does not miss the servers' return.
	impatience = 3 * time.Second
)

// await blocks until the session is up, or cannot be for now, or ctx ends.
func (s *session) await(ctx context.Context) error {
	s.mu.Lock()
	begin := s.failures
	if time.Since(s.failedAt) < fresh {
		begin = 0
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		up, why, changed := s.up, s.why, s.changed
		hopeless := s.failures-begin >= len(s.r.hosts) && (adsum.Final(why) || time.Since(s.since) < impatience)
		s.mu.Unlock()
		switch {
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case up:
			return nil
		case hopeless:
			return why
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
		case <-ctx.Done():
			if why == nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: %w", ctx.Err(), why)
		}
	}
}
