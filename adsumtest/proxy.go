package adsumtest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy passes TCP connections on to a target, and can do to them what a bad
// network does. It listens on a port of 127.0.0.1 that it keeps for life.
//
// All methods are safe for concurrent use and act at once, on the connections
// that are open and on those to come, unless they say otherwise.
//
// It cannot leave a connection attempt unanswered: the kernel accepts it.
type Proxy struct {
	addr     string
	accepted atomic.Int64
	carried  atomic.Int64
	running  sync.WaitGroup

	mu       sync.Mutex
	target   string
	faults   faults
	changed  chan struct{} // closed, and replaced, when faults change
	listener net.Listener  // nil while down
	links    map[*link]struct{}
	closed   bool
}

// faults are what a proxy does to connections at present.
type faults struct {
	latency   time.Duration
	bandwidth int // bytes a second, 0 for no limit
	hang      bool
	hangBack  bool
	reset     bool
	budget    int // bytes to answer before the cut, while limited
	limited   bool
}

// NewProxy starts a proxy for a test, and closes it when the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p, err := StartProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// StartProxy starts a proxy to target, a host:port that need not answer yet.
// The caller closes it.
func StartProxy(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", target, err)
	}
	p := &Proxy{
		addr: listener.Addr().String(), target: target,
		changed: make(chan struct{}), links: map[*link]struct{}{},
	}
	p.serve(listener)
	return p, nil
}

// Addr is where clients connect: host:port.
func (p *Proxy) Addr() string { return p.addr }

// Accepted counts the connections accepted so far.
func (p *Proxy) Accepted() int { return int(p.accepted.Load()) }

// Carried counts the bytes passed on so far, in both directions together.
func (p *Proxy) Carried() int64 { return p.carried.Load() }

// SetTarget sends connections to come elsewhere; open ones stay.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// SetLatency delays every byte, in both directions, by d. Bytes under way
// overlap: the rate does not fall.
func (p *Proxy) SetLatency(d time.Duration) { p.change(func(f *faults) { f.latency = d }) }

// SetBandwidth limits each direction of each connection to so many bytes a
// second; 0 lifts the limit.
func (p *Proxy) SetBandwidth(bytesPerSecond int) {
	p.change(func(f *faults) { f.bandwidth = bytesPerSecond })
}

// Hang makes a black hole: connections are accepted, nothing is answered, and
// the target is not even dialled. [Proxy.Resume] lets pass what was held,
// intact.
func (p *Proxy) Hang() { p.change(func(f *faults) { f.hang = true }) }

// HangBack holds answers back while requests still arrive. [Proxy.Resume]
// lets them pass, intact.
func (p *Proxy) HangBack() { p.change(func(f *faults) { f.hangBack = true }) }

// Reset ends every connection with a TCP reset, open ones and those to come,
// until [Proxy.Resume].
func (p *Proxy) Reset() {
	p.change(func(f *faults) { f.reset = true })
	p.Cut(RST)
}

// Resume ends Hang, HangBack and Reset.
func (p *Proxy) Resume() {
	p.change(func(f *faults) { f.hang, f.hangBack, f.reset = false, false, false })
}

// CutAfter resets the connection on which n more bytes were answered, counted
// over all connections: in the middle of a message, if so chosen. It cuts once.
func (p *Proxy) CutAfter(n int) {
	p.change(func(f *faults) { f.budget, f.limited = n, true })
}

// Ending is how a TCP connection ends.
type Ending int

// The two ways in which a connection can end.
const (
	FIN Ending = iota // in order: the peer reads the end of the stream
	RST               // reset: the peer reads an error
)

// Cut ends the connections that are open, towards both sides. New ones pass.
func (p *Proxy) Cut(how Ending) {
	p.mu.Lock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		l.end(how)
	}
}

// Down ends all connections and refuses new ones, as a host does on which
// nothing listens. A second call does nothing.
func (p *Proxy) Down() {
	p.mu.Lock()
	listener := p.listener
	p.listener = nil
	p.mu.Unlock()
	if listener != nil {
		_ = listener.Close()
	}
	p.Cut(RST)
}

// Up accepts connections again, on the same port. It fails if another program
// took the port in the meantime.
func (p *Proxy) Up() error {
	p.mu.Lock()
	idle := p.listener == nil && !p.closed
	p.mu.Unlock()
	if !idle {
		return nil
	}
	// An outgoing connection of anyone may sit on the port for a moment.
	var listener net.Listener
	var err error
	for range 50 {
		if listener, err = net.Listen("tcp", p.addr); err == nil {
			p.serve(listener)
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("proxy to %s: %w", p.target, err)
}

// Close ends all connections and waits for the proxy's goroutines. A second
// call does nothing.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Down()
	p.running.Wait()
}

func (p *Proxy) serve(listener net.Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener != nil {
		_ = listener.Close()
		return
	}
	p.listener = listener
	p.running.Go(func() { p.accept(listener) })
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // out of file descriptors: nobody is served better by a busy loop
			continue
		}
		p.accepted.Add(1)
		l := &link{proxy: p, client: conn.(*net.TCPConn), done: make(chan struct{})}
		if !p.add(l, listener) {
			l.end(RST)
			continue
		}
		p.running.Go(l.run)
	}
}

// add takes a connection on unless it is to be reset.
func (p *Proxy) add(l *link, listener net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.faults.reset || p.listener != listener {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) change(apply func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	apply(&p.faults)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) current() (now faults, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults, p.changed
}

func (p *Proxy) currentTarget() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

// spend takes n answered bytes off the budget of CutAfter. It returns how
// many may still pass, and whether the connection is to be cut after them.
func (p *Proxy) spend(n int) (allowed int, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.faults.limited {
		return n, false
	}
	if p.faults.budget > n {
		p.faults.budget -= n
		return n, false
	}
	p.faults.limited = false
	return p.faults.budget, true
}
