package adsumgrpc_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lifecycle"
)

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// serve serves until the test ends, unregistered, and returns the address.
func serve(t testing.TB, srv *grpc.Server) string {
	t.Helper()
	listener := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(listener)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return listener.Addr().String()
}

// served is a server run by Serve.
type served struct {
	*copy
	end      context.CancelFunc
	returned chan error // what Serve returned, once
}

func (f *fleet) serve(opts ...lifecycle.Option) *served {
	f.t.Helper()
	listener := listen(f.t)
	s := &served{copy: &copy{t: f.t, name: listener.Addr().String(), arrived: make(chan struct{}, 1)}, returned: make(chan error, 1)}
	srv := grpc.NewServer()
	echopb.RegisterEchoServer(srv, s.copy)
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	s.server = srv
	f.t.Cleanup(func() {
		end()
		s.served.Wait()
	})
	registered := make(chan *adsum.Registration, 1)
	opts = append([]lifecycle.Option{lifecycle.WithSignals(), lifecycle.WithLogger(quiet),
		lifecycle.OnRegister(func(r *adsum.Registration) { registered <- r })}, opts...)
	s.served.Go(func() {
		s.returned <- adsumgrpc.Serve(ctx, srv, listener, f.registry.Client(), adsum.Instance{Service: "echo"}, opts...)
	})
	s.registration = <-registered
	if _, err := s.registration.Wait(soon(f.t), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
		f.t.Fatal(err)
	}
	return s
}

func TestServeRegistersAndAnswersHealth(t *testing.T) {
	f := newFleet(t)
	s := f.serve()
	_, client := f.client()
	if got := look(t, client); got != s.name {
		t.Errorf("answered by %s, want %s", got, s.name)
	}
	for _, service := range []string{"", "echo.Echo"} {
		check := &adsumgrpc.HealthCheck{Addr: s.name, Service: service}
		if err := check.Probe(soon(t)); err != nil {
			t.Errorf("health of %q: %v", service, err)
		}
		check.Close()
	}
	s.end()
	if err := <-s.returned; err != nil {
		t.Error(err)
	}
	if n := len(f.registry.Records("echo")); n != 0 {
		t.Errorf("%d records left", n)
	}
}

func TestNoCallFailsWhenServersAreRestartedOneAfterTheOther(t *testing.T) {
	f := newFleet(t)
	servers := []*served{f.serve(), f.serve()}
	_, client := f.client()
	l := startLoad(t, 4, once(client)) // not one of them is safe to send again
	l.more(t, 20, servers[0].name, servers[1].name)
	for i := range servers {
		servers[i].end()
		if err := <-servers[i].returned; err != nil {
			t.Error(err)
		}
		servers[i] = f.serve()
		l.more(t, 20, servers[i].name)
	}
	l.noErrors(t)
}

func TestServeSaysNotServingWhileItDrains(t *testing.T) {
	f := newFleet(t)
	s := f.serve(lifecycle.WithDrainDelay(time.Hour))
	check := &adsumgrpc.HealthCheck{Addr: s.name}
	defer check.Close()
	s.end()
	for check.Probe(soon(t)) == nil {
	}
	if _, err := s.registration.Wait(soon(t), func(s adsum.RegistrationState) bool { return !s.Registered }); err != nil {
		t.Error(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+s.name, inClear)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	look(t, echopb.NewEchoClient(conn)) // still answered
	s.server.Stop()
	if err := <-s.returned; err != nil {
		t.Error(err)
	}
}

func TestServeCutsOffCallsAtTheLimit(t *testing.T) {
	f := newFleet(t)
	s := f.serve(lifecycle.WithDrainDelay(0), lifecycle.WithStopTimeout(50*time.Millisecond))
	s.set(func(c *copy) { c.hold = make(chan struct{}) })
	_, client := f.client()
	ended := make(chan error, 1)
	go func() {
		_, err := client.Add(soon(t), &echopb.Request{})
		ended <- err
	}()
	<-s.arrived
	s.end()
	var failed *lifecycle.Error
	if err := <-s.returned; !errors.As(err, &failed) || failed.Phase != lifecycle.Stop {
		t.Errorf("error %v, want the stop phase", err)
	}
	if err := <-ended; err == nil {
		t.Error("the call was answered")
	}
}

func TestServeLeavesTheOwnersHealthServiceAlone(t *testing.T) {
	f := newFleet(t)
	listener := listen(t)
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, ownHealth{})
	ctx, end := context.WithCancel(t.Context())
	registered := make(chan struct{})
	returned := make(chan error, 1)
	go func() {
		returned <- adsumgrpc.Serve(ctx, srv, listener, f.registry.Client(), adsum.Instance{Service: "echo"},
			lifecycle.WithSignals(), lifecycle.WithLogger(quiet), lifecycle.OnRegister(func(*adsum.Registration) { close(registered) }))
	}()
	<-registered
	check := &adsumgrpc.HealthCheck{Addr: listener.Addr().String(), Service: "anything"}
	defer check.Close()
	if err := check.Probe(soon(t)); err != nil {
		t.Error(err)
	}
	end()
	if err := <-returned; err != nil {
		t.Error(err)
	}
}

// ownHealth says that everything is serving.
type ownHealth struct {
	healthpb.UnimplementedHealthServer
}

func (ownHealth) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func TestServeThatIsStoppedAtOnceEndsWell(t *testing.T) {
	f := newFleet(t)
	ctx, end := context.WithCancel(t.Context())
	end()
	for range 20 { // the stop may come before or after the beginning
		err := adsumgrpc.Serve(ctx, grpc.NewServer(), listen(t), f.registry.Client(), adsum.Instance{Service: "echo"},
			lifecycle.WithSignals(), lifecycle.WithLogger(quiet), lifecycle.WithDrainDelay(0))
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.registry.Records("echo")); n != 0 {
		t.Errorf("%d records left", n)
	}
}

func TestServeClosesTheListenerOfABadInstance(t *testing.T) {
	listener := listen(t)
	err := adsumgrpc.Serve(t.Context(), grpc.NewServer(), listener, newFleet(t).registry.Client(),
		adsum.Instance{Service: "e/cho"}, lifecycle.WithSignals(), lifecycle.WithLogger(quiet))
	var failed *lifecycle.Error
	if !errors.As(err, &failed) || failed.Phase != lifecycle.Register || !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("error %v, want the register phase and ErrInvalid", err)
	}
	if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error("the listener was left open")
	}
}

func TestServeEndsWhenTheListenerFails(t *testing.T) {
	f := newFleet(t)
	listener := listen(t)
	listener.Close()
	err := adsumgrpc.Serve(t.Context(), grpc.NewServer(), listener, f.registry.Client(), adsum.Instance{Service: "echo"},
		lifecycle.WithSignals(), lifecycle.WithLogger(quiet))
	var failed *lifecycle.Error
	if !errors.As(err, &failed) || failed.Phase != lifecycle.Serve {
		t.Errorf("error %v, want the serve phase", err)
	}
	if n := len(f.registry.Records("echo")); n != 0 {
		t.Errorf("%d records left", n)
	}
}
