package behaviour_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/load"
	"github.com/adsum-go/adsum/memory"
)

// result is how a call ends, in words that all transports share.
type result string

const (
	answered    result = "answered"
	notFound    result = "not found"   // the server's own answer
	unavailable result = "unavailable" // the server's own answer, or no answer
	nobody      result = "nobody to call"
	limited     result = "nobody may be called"
	tooLate     result = "deadline"
	canceled    result = "canceled"
)

// server is one copy of the service, which does as it is told.
type server struct {
	t            *testing.T
	addr         string
	registration *adsum.Registration
	calls        atomic.Int64
	meter        load.Meter // what it tells of its load
	manners      atomic.Pointer[func(context.Context) result]
	stopping     chan struct{}
	stop         func() // ends it with all its connections

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// startServer serves a copy by the transport and registers it.
func startServer(t *testing.T, registry *memory.Registry, tr transport) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: listener.Addr().String(), stopping: make(chan struct{}), conns: map[net.Conn]bool{}}
	s.behave(func(context.Context) result { return answered })
	stop := tr.serve(trackingListener{listener, s}, s)
	s.stop = sync.OnceFunc(func() {
		close(s.stopping)
		stop()
	})
	s.registration, err = adsum.Register(registry, adsum.Instance{Service: "book", Addr: s.addr}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.registration.Close(context.Background()) // the registry may be down on purpose
		s.stop()
	})
	return s
}

func (s *server) behave(manners func(context.Context) result) { s.manners.Store(&manners) }

// handle is one call.
func (s *server) handle(ctx context.Context) result {
	s.calls.Add(1)
	return (*s.manners.Load())(ctx)
}

func answers(r result) func(context.Context) result {
	return func(context.Context) result { return r }
}

// breaksOff loses the connection in the middle of the call.
func (s *server) breaksOff(context.Context) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
	}
	return unavailable
}

// hangs answers nothing as long as the server lives, not even when it is told
// that the call was given up.
func (s *server) hangs(context.Context) result {
	<-s.stopping
	return unavailable
}

func (s *server) setStatus(status adsum.Status) {
	s.t.Helper()
	if err := s.registration.SetStatus(status, "told so"); err != nil {
		s.t.Fatal(err)
	}
}

// trackingListener lets a server lose its connections.
type trackingListener struct {
	net.Listener
	s *server
}

func (l trackingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.s.mu.Lock()
		l.s.conns[conn] = true
		l.s.mu.Unlock()
	}
	return conn, err
}
