package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lifecycle"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

// server is a Server that writes down what is done to it, and what the
// registry holds at that moment.
type server struct {
	records  func() int
	calls    time.Duration // how long the calls that run still take at Shutdown
	serveErr error

	stop    func() // ends Serve
	stopped chan struct{}
	noted   chan struct{} // a token for each event

	mu     sync.Mutex
	events []string
}

func newServer(registry *memory.Server) *server {
	s := &server{stopped: make(chan struct{}), noted: make(chan struct{}, 8)}
	s.records = func() int { return len(registry.Records("book")) }
	s.stop = sync.OnceFunc(func() { close(s.stopped) })
	return s
}

func (s *server) note(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records() == 0 {
		event += " unregistered"
	} else {
		event += " registered"
	}
	s.events = append(s.events, event)
	s.noted <- struct{}{}
}

func (s *server) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50051} }

func (s *server) Serve() error {
	<-s.stopped
	return s.serveErr
}

func (s *server) SetServing(serving bool) {
	if serving {
		s.note("serving")
	} else {
		s.note("not serving")
	}
}

func (s *server) Shutdown(ctx context.Context) error {
	s.note("shutdown")
	defer s.stop()
	select {
	case <-time.After(s.calls):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *server) Close() error {
	s.note("close")
	s.stop()
	return nil
}

// done returns what was done to the server so far.
func (s *server) done() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

var book = adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"}

// started is a lifecycle under way in a bubble.
type started struct {
	*server
	registry *memory.Server
	end      context.CancelFunc
	returned chan error
}

func start(t *testing.T, in adsum.Instance, prepare func(*server, *memory.Server), opts ...lifecycle.Option) *started {
	t.Helper()
	registry := memory.NewServer()
	s := newServer(registry)
	if prepare != nil {
		prepare(s, registry)
	}
	ctx, end := context.WithCancel(t.Context())
	run := &started{server: s, registry: registry, end: end, returned: make(chan error, 1)}
	opts = append([]lifecycle.Option{lifecycle.WithLogger(slog.New(slog.DiscardHandler)), lifecycle.WithSignals()}, opts...)
	go func() { run.returned <- lifecycle.Run(ctx, s, registry.Client(), in, opts...) }()
	synctest.Wait()
	return run
}

func TestRunRegistersOnceServingAndWithdrawsBeforeItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := start(t, book, nil, lifecycle.WithDrainDelay(2*time.Second))
		if got := run.records(); got != 1 {
			t.Fatalf("records while serving: %d, want 1", got)
		}
		asked := time.Now()
		run.end()
		if err := <-run.returned; err != nil {
			t.Fatal(err)
		}
		want := []string{"serving unregistered", "not serving registered", "shutdown unregistered"}
		if got := run.done(); !slices.Equal(got, want) {
			t.Errorf("steps %q, want %q", got, want)
		}
		if took := time.Since(asked); took < 2*time.Second {
			t.Errorf("stopped after %v, before the drain delay was over", took)
		}
	})
}

func TestRunGoesOnAnsweringDuringTheDrainDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := start(t, book, nil, lifecycle.WithDrainDelay(10*time.Second))
		run.end()
		time.Sleep(9 * time.Second)
		if got := run.done(); slices.Contains(got, "shutdown unregistered") {
			t.Errorf("shut down early: %q", got)
		}
		if got := run.records(); got != 0 {
			t.Errorf("still registered while draining")
		}
		if err := <-run.returned; err != nil {
			t.Error(err)
		}
	})
}

func TestRunCutsCallsOffAtTheLimitAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := start(t, book, func(s *server, _ *memory.Server) { s.calls = time.Hour },
			lifecycle.WithStopTimeout(3*time.Second), lifecycle.WithDrainDelay(0))
		asked := time.Now()
		run.end()
		err := <-run.returned
		var failed *lifecycle.Error
		if !errors.As(err, &failed) || failed.Phase != lifecycle.Stop || !strings.Contains(err.Error(), "after 3s were cut off") {
			t.Errorf("error %v, want the stop phase and the limit", err)
		}
		if took := time.Since(asked); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("took %v, want the limit of 3s", took)
		}
		if got := run.done(); got[len(got)-1] != "close unregistered" {
			t.Errorf("steps %q, want a hard stop at the end", got)
		}
	})
}

func TestRunServesWhileTheRegistryIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := start(t, book, func(_ *server, registry *memory.Server) { registry.Down() })
		time.Sleep(time.Minute)
		select {
		case err := <-run.returned:
			t.Fatalf("ended while the registry was down: %v", err)
		default:
		}
		run.registry.Up()
		time.Sleep(time.Minute)
		if run.records() != 1 {
			t.Error("not registered after the registry came back")
		}
		run.end()
		if err := <-run.returned; err != nil {
			t.Error(err)
		}
	})
}

func TestRunSaysThatTheRecordCouldNotBeWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := start(t, book, nil)
		run.registry.Freeze()
		run.end()
		err := <-run.returned
		var failed *lifecycle.Error
		if !errors.As(err, &failed) || failed.Phase != lifecycle.Withdraw {
			t.Errorf("error %v, want the withdraw phase", err)
		}
		run.registry.Thaw()
	})
}

func TestRunWithdrawsWhenTheServerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("accept: too many open files")
		run := start(t, book, func(s *server, _ *memory.Server) { s.serveErr = broken }, lifecycle.WithDrainDelay(time.Hour))
		failedAt := time.Now()
		run.stop()
		err := <-run.returned
		var failed *lifecycle.Error
		if !errors.As(err, &failed) || failed.Phase != lifecycle.Serve || !errors.Is(err, broken) {
			t.Errorf("error %v, want the serve phase and the cause", err)
		}
		if run.records() != 0 {
			t.Error("still registered")
		}
		if took := time.Since(failedAt); took > time.Second {
			t.Errorf("waited %v for a server that answers nobody", took)
		}
	})
}

func TestRunRefusesABadInstanceBeforeItServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := start(t, adsum.Instance{Service: "book", Addr: "0.0.0.0:50051"}, nil)
		err := <-run.returned
		var failed *lifecycle.Error
		if !errors.As(err, &failed) || failed.Phase != lifecycle.Register || !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("error %v, want the register phase and ErrInvalid", err)
		}
		if got := run.done(); !slices.Equal(got, []string{"close unregistered"}) {
			t.Errorf("steps %q, want only a close", got)
		}
	})
}

func TestRunAdvertisesWhereTheServerListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var registration *adsum.Registration
		endpoints := map[string]string{"grpcs": "", "http": "127.0.0.1:8080"}
		run := start(t, adsum.Instance{Service: "book", Endpoints: endpoints}, nil,
			lifecycle.OnRegister(func(r *adsum.Registration) { registration = r }))
		in := registration.Instance()
		if in.Addr != "127.0.0.1:50051" || in.Endpoints["grpcs"] != in.Addr || in.Endpoints["http"] != "127.0.0.1:8080" {
			t.Errorf("advertised %s and %v", in.Addr, in.Endpoints)
		}
		if endpoints["grpcs"] != "" {
			t.Error("the caller's map was changed")
		}
		run.end()
		if err := <-run.returned; err != nil {
			t.Error(err)
		}
		if !registration.State().Closed {
			t.Error("registration left open")
		}
	})
}

func TestRunEndsAtASignalAndHurriesAtTheNext(t *testing.T) {
	registry := memory.NewServer()
	s := newServer(registry)
	s.calls = time.Hour
	registered, returned := make(chan struct{}), make(chan error, 1)
	go func() {
		returned <- lifecycle.Run(t.Context(), s, registry.Client(), book, lifecycle.WithSignals(syscall.SIGHUP),
			lifecycle.WithDrainDelay(time.Hour), lifecycle.WithLogger(slog.New(slog.DiscardHandler)),
			lifecycle.OnRegister(func(*adsum.Registration) { close(registered) }))
	}()
	<-registered
	<-s.noted // serving
	signalSelf(t)
	<-s.noted // not serving: the first signal was understood
	signalSelf(t)
	err := <-returned
	if err == nil || !strings.Contains(err.Error(), "second signal") {
		t.Errorf("error %v, want calls cut off at the second signal", err)
	}
}

func TestDrainDelayCoversThePropagationOfTheRegistry(t *testing.T) {
	for propagation, want := range map[time.Duration]time.Duration{
		0:                      500 * time.Millisecond,
		2 * time.Second:        2500 * time.Millisecond,
		90 * time.Second:       15 * time.Second,
		100 * time.Millisecond: 600 * time.Millisecond,
	} {
		if got := lifecycle.DrainDelay(adsum.Capabilities{Propagation: propagation}); got != want {
			t.Errorf("propagation %v: %v, want %v", propagation, got, want)
		}
	}
}

func signalSelf(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGHUP)
	}
	if err != nil {
		t.Fatal(err)
	}
}
