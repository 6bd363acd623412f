package foreign_test

import (
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/zookeeper"
)

func TestGoKitProgramsSeeWhatWeRegisteredInZooKeeper(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartZooKeeper(t, servers.ZooKeeperOptions{})
	registry := openZooKeeper(t, srv, "?codec=addr")
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Weight: 3})
	caller := start(t, binary, "watch", "zk", srv.Addr(), "/services/book")
	caller.until("10.0.0.1:80")
	register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.2:80"})
	caller.until("10.0.0.1:80 10.0.0.2:80")
	for _, away := range []adsum.Status{adsum.Draining, adsum.Critical} {
		if err := reg.SetStatus(away, "upgrade"); err != nil {
			t.Fatal(err)
		}
		caller.until("10.0.0.2:80")
		if err := reg.SetStatus(adsum.Passing, ""); err != nil {
			t.Fatal(err)
		}
		caller.until("10.0.0.1:80 10.0.0.2:80")
	}
	view := look(t, openZooKeeper(t, srv, ""), "book")
	sees(t, view, "10.0.0.1:80", "10.0.0.2:80")
	if in, ok := view.Snapshot().Get(reg.Instance().ID); !ok || in.Weight != 3 {
		t.Errorf("our own reader lost what the address does not say: %+v", in)
	}
	withdraw(t, reg)
	caller.until("10.0.0.2:80")
}

func TestWhatGoKitRegisteredInZooKeeperIsFound(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartZooKeeper(t, servers.ZooKeeperOptions{})
	view := look(t, openZooKeeper(t, srv, ""), "book")
	server := start(t, binary, "register", "zk", srv.Addr(), "/services/book", "http://10.0.0.8:80")
	server.until("registered")
	in := seesPassing(t, view, "10.0.0.8:80")
	if in.Endpoints["http"] != "10.0.0.8:80" {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

func openZooKeeper(t *testing.T, srv *servers.ZooKeeper, query string) adsum.Registry {
	t.Helper()
	return open(t, zookeeper.Open, "zk://"+srv.Addr()+"/services"+query)
}
