package foreign_test

import (
	"maps"
	"slices"
	"testing"
	"time"

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
			registry := openEtcd(t, srv, "")
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
			view := look(t, openEtcd(t, srv, ""), "book")
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

func TestGoKitProgramsSeeWhatWeRegisteredInEtcd(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	registry := openEtcd(t, srv, "?codec=addr")
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Weight: 3})
	caller := start(t, binary, "watch", "etcd", srv.Addr(), "/services/book/")
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
	view := look(t, openEtcd(t, srv, ""), "book")
	sees(t, view, "10.0.0.1:80", "10.0.0.2:80")
	if in, ok := view.Snapshot().Get("10.0.0.1:80"); !ok || in.Weight != 3 {
		t.Errorf("our own reader lost what the address does not say: %+v", in)
	}
}

func TestWhatGoKitRegisteredInEtcdIsFound(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	view := look(t, openEtcd(t, srv, ""), "book")
	server := start(t, binary, "register", "etcd", srv.Addr(), "/services/book/10.0.0.8:80", "http://10.0.0.8:80")
	server.until("registered")
	sees(t, view, "10.0.0.8:80")
	if in := view.Snapshot().Instances[0]; in.Endpoints["http"] != "10.0.0.8:80" {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

func openEtcd(t *testing.T, srv *servers.Etcd, query string) adsum.Registry {
	t.Helper()
	return open(t, etcd.Open, "etcd://"+srv.Addr()+"/services"+query)
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
