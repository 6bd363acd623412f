package foreign_test

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/test/servers"
)

// pairs are the versions of etcd's client and gRPC that programs have, by the
// file that names them.
var pairs = map[string]string{
	"go.mod":     "etcd 3.7.3 with gRPC 1.85.0",
	"etcd36.mod": "etcd 3.6.5 with gRPC 1.71.1",
	"etcd35.mod": "etcd 3.5.21 with gRPC 1.67.1",
}

func TestGRPCProgramsOnEtcdsOwnNamingCallWhatWeRegistered(t *testing.T) {
	for modfile, versions := range pairs {
		t.Run(versions, func(t *testing.T) {
			t.Parallel()
			binary := build(t, "naming", modfile)
			srv := servers.StartEtcd(t, servers.EtcdOptions{})
			registry := open(t, srv, "")
			one, two := serve(t), serve(t)
			reg := register(t, registry, adsum.Instance{Service: "book", Addr: one, Weight: 3, Zone: "eu-1", Metadata: map[string]string{"k": "v"}})
			register(t, registry, adsum.Instance{Service: "book", Addr: two})

			// Four slashes: the program writes etcd:/// in front of this.
			caller := start(t, binary, "call", srv.Addr(), "/services/book")
			asksUntil(t, caller, one, two)
			var order []string
			for range 8 {
				order = append(order, caller.ask())
			}
			t.Logf("8 calls: %v", order)
			for i, addr := range order[2:] {
				if addr != order[i] || addr == order[i+1] {
					t.Fatalf("the calls do not alternate: %v", order)
				}
			}

			// Older pairs compare addresses with their metadata on every change.
			if err := reg.Update(func(in *adsum.Instance) { in.Weight, in.Metadata["k"] = 9, "w" }); err != nil {
				t.Fatal(err)
			}
			asksUntil(t, caller, one, two)
			if err := reg.SetStatus(adsum.Critical, "disk full"); err != nil {
				t.Fatal(err)
			}
			asksUntil(t, caller, two)
			if err := reg.SetStatus(adsum.Passing, ""); err != nil {
				t.Fatal(err)
			}
			asksUntil(t, caller, one, two)
		})
	}
}

func TestWhatEtcdsOwnNamingRegisteredIsFound(t *testing.T) {
	for modfile, versions := range pairs {
		t.Run(versions, func(t *testing.T) {
			t.Parallel()
			binary := build(t, "naming", modfile)
			srv := servers.StartEtcd(t, servers.EtcdOptions{})
			view := look(t, open(t, srv, ""), "book")
			server := start(t, binary, "register", srv.Addr(), "/services/book", "10.0.0.7:80")
			server.until("registered")
			sees(t, view, "10.0.0.7:80")
			if in := view.Snapshot().Instances[0]; in.Weight != 10 || in.Zone != "eu-1" || in.ID != "10.0.0.7:80" {
				t.Errorf("got %+v", in)
			}
			server.end()
			sees(t, view)
		})
	}
}

func TestGoKitProgramsSeeWhatWeRegistered(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	registry := open(t, srv, "?codec=addr")
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Weight: 3})
	caller := start(t, binary, "watch", srv.Addr(), "/services/book/")
	caller.until("10.0.0.1:80")
	register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.2:80"})
	caller.until("10.0.0.1:80 10.0.0.2:80")
	if err := reg.SetStatus(adsum.Draining, "upgrade"); err != nil {
		t.Fatal(err)
	}
	caller.until("10.0.0.2:80")
	if err := reg.SetStatus(adsum.Passing, ""); err != nil {
		t.Fatal(err)
	}
	caller.until("10.0.0.1:80 10.0.0.2:80")
	view := look(t, open(t, srv, ""), "book")
	sees(t, view, "10.0.0.1:80", "10.0.0.2:80")
	if in, ok := view.Snapshot().Get("10.0.0.1:80"); !ok || in.Weight != 3 {
		t.Errorf("our own reader lost what the address does not say: %+v", in)
	}
}

func TestWhatGoKitRegisteredIsFound(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	view := look(t, open(t, srv, ""), "book")
	server := start(t, binary, "register", srv.Addr(), "/services/book/10.0.0.8:80", "http://10.0.0.8:80")
	server.until("registered")
	sees(t, view, "10.0.0.8:80")
	if in := view.Snapshot().Instances[0]; in.Endpoints["http"] != "10.0.0.8:80" {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

func open(t *testing.T, srv *servers.Etcd, query string) adsum.Registry {
	t.Helper()
	r, err := etcd.Open("etcd://" + srv.Addr() + "/services" + query)
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
	late := time.After(patience)
	for {
		changed := view.Changed()
		var got []string
		for _, in := range view.Snapshot().Instances {
			got = append(got, in.Addr)
		}
		slices.Sort(got)
		if view.Snapshot().Known() && slices.Equal(got, addrs) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("never saw %v; last was %v", addrs, got)
		}
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

// asksUntil calls until the answers of a while came from exactly these servers.
func asksUntil(t *testing.T, caller *program, addrs ...string) {
	t.Helper()
	slices.Sort(addrs)
	deadline := time.Now().Add(patience)
	for {
		seen := map[string]bool{}
		for range 8 {
			seen[caller.ask()] = true
		}
		got := slices.Sorted(maps.Keys(seen))
		if slices.Equal(got, addrs) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("calls reach %v, want %v", got, addrs)
		}
	}
}
