package foreign_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/adsum-go/adsum"
)

// open opens a registry by its driver.
func open(t *testing.T, driver func(url string) (adsum.Registry, error), url string) adsum.Registry {
	t.Helper()
	r, err := driver(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

var quiet = slog.New(slog.DiscardHandler)

func register(t *testing.T, registry adsum.Registry, in adsum.Instance) *adsum.Registration {
	t.Helper()
	reg, err := adsum.Register(registry, in, adsum.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reg.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := reg.Wait(ctx, func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
		t.Fatal(err)
	}
	return reg
}

func look(t *testing.T, registry adsum.Registry, service string) *adsum.View {
	t.Helper()
	dir := adsum.NewDirectory(registry, adsum.WithLogger(quiet))
	t.Cleanup(func() { _ = dir.Close() })
	view, err := dir.Open(service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	return view
}

// sees waits until exactly these addresses are there.
func sees(t *testing.T, view *adsum.View, addrs ...string) {
	t.Helper()
	until(t, view, func(s *adsum.Snapshot) bool { return slices.Equal(addresses(s), addrs) })
}

// seesPassing waits until nothing but this address is there, and passing.
func seesPassing(t *testing.T, view *adsum.View, addr string) *adsum.Instance {
	t.Helper()
	s := until(t, view, func(s *adsum.Snapshot) bool {
		return slices.Equal(addresses(s), []string{addr}) && s.Instances[0].Status == adsum.Passing
	})
	return s.Instances[0]
}

func until(t *testing.T, view *adsum.View, ok func(*adsum.Snapshot) bool) *adsum.Snapshot {
	t.Helper()
	late := time.After(patience)
	for {
		changed := view.Changed()
		s := view.Snapshot()
		if s.Known() && ok(s) {
			return s
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("never saw what was expected; last was %v, skipped %v, %v", s.Instances, s.Skipped, s.Err)
		}
	}
}

func addresses(s *adsum.Snapshot) []string {
	var addrs []string
	for _, in := range s.Instances {
		addrs = append(addrs, in.Addr)
	}
	slices.Sort(addrs)
	return addrs
}

// withdraw ends a registration before its test does.
func withdraw(t *testing.T, reg *adsum.Registration) {
	t.Helper()
	if err := reg.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// serve runs a gRPC server that knows the health service.
func serve(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().String()
}
