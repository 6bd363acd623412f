package foreign_test

import (
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/zookeeper"
)

func TestKratosProgramsSeeWhatWeRegisteredInConsul(t *testing.T) {
	t.Parallel()
	binary := build(t, "kratos", "go.mod")
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	registry := openConsul(t, srv)
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Endpoints: map[string]string{"grpc": "10.0.0.1:90"}})
	caller := start(t, binary, "watch", "consul", srv.Addr(), "book")
	caller.until("grpc://10.0.0.1:90")
	register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.2:80"})
	caller.until("grpc://10.0.0.1:90 http://10.0.0.2:80")
	if err := reg.SetStatus(adsum.Draining, "upgrade"); err != nil {
		t.Fatal(err)
	}
	caller.until("http://10.0.0.2:80")
	if err := reg.SetStatus(adsum.Passing, ""); err != nil {
		t.Fatal(err)
	}
	caller.until("grpc://10.0.0.1:90 http://10.0.0.2:80")
	withdraw(t, reg)
	caller.until("http://10.0.0.2:80")
}

func TestWhatKratosRegisteredInConsulIsFound(t *testing.T) {
	t.Parallel()
	binary := build(t, "kratos", "go.mod")
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	view := look(t, openConsul(t, srv), "book")
	addr := serve(t) // the agent connects to it, as Kratos asks for
	server := start(t, binary, "register", "consul", srv.Addr(), "book", addr)
	server.until("registered")
	in := seesPassing(t, view, addr)
	if in.ID != "book-1" || in.Version != "1.2.3" || in.Zone != "eu-1" || in.Weight != 10 || in.Endpoints["grpc"] != addr {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

func TestKratosProgramsSeeWhatWeRegisteredInZooKeeper(t *testing.T) {
	t.Parallel()
	binary := build(t, "kratos", "go.mod")
	srv := servers.StartZooKeeper(t, servers.ZooKeeperOptions{})
	registry := openMicroservices(t, srv)
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Endpoints: map[string]string{"grpc": "10.0.0.1:90"}, Weight: 3})
	caller := start(t, binary, "watch", "zk", srv.Addr(), "book")
	caller.until("grpc://10.0.0.1:90")
	register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.2:80"})
	caller.until("grpc://10.0.0.1:90 grpc://10.0.0.2:80")
	for _, away := range []adsum.Status{adsum.Draining, adsum.Critical} {
		if err := reg.SetStatus(away, "upgrade"); err != nil {
			t.Fatal(err)
		}
		caller.until("grpc://10.0.0.2:80")
		if err := reg.SetStatus(adsum.Passing, ""); err != nil {
			t.Fatal(err)
		}
		caller.until("grpc://10.0.0.1:90 grpc://10.0.0.2:80")
	}
	withdraw(t, reg)
	caller.until("grpc://10.0.0.2:80")
}

func TestWhatKratosRegisteredInZooKeeperIsFound(t *testing.T) {
	t.Parallel()
	binary := build(t, "kratos", "go.mod")
	srv := servers.StartZooKeeper(t, servers.ZooKeeperOptions{})
	view := look(t, openMicroservices(t, srv), "book")
	server := start(t, binary, "register", "zk", srv.Addr(), "book", "10.0.0.8:80")
	server.until("registered")
	in := seesPassing(t, view, "10.0.0.8:80")
	if in.ID != "book-1" || in.Version != "1.2.3" || in.Zone != "eu-1" || in.Weight != 10 || in.Endpoints["grpc"] != "10.0.0.8:80" {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

// openMicroservices opens the driver where Kratos has its services.
func openMicroservices(t *testing.T, srv *servers.ZooKeeper) adsum.Registry {
	t.Helper()
	return open(t, zookeeper.Open, "zk://"+srv.Addr()+"/microservices?codec=kratos")
}
