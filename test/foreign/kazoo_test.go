package foreign_test

import (
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
)

func TestPythonProgramsSeeWhatWeRegisteredInZooKeeper(t *testing.T) {
	t.Parallel()
	srv := servers.StartZooKeeper(t, servers.ZooKeeperOptions{})
	registry := openZooKeeper(t, srv, "")
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Zone: "eu-1"})
	caller := startPython(t, "pykazoo/pykazoo.py", "watch", srv.Addr(), "/services", "book")
	caller.until("10.0.0.1:80@eu-1")
	register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.2:80"})
	caller.until("10.0.0.1:80@eu-1 10.0.0.2:80")
	for _, away := range []adsum.Status{adsum.Draining, adsum.Critical} {
		if err := reg.SetStatus(away, "upgrade"); err != nil {
			t.Fatal(err)
		}
		caller.until("10.0.0.2:80")
		if err := reg.SetStatus(adsum.Passing, ""); err != nil {
			t.Fatal(err)
		}
		caller.until("10.0.0.1:80@eu-1 10.0.0.2:80")
	}
	withdraw(t, reg)
	caller.until("10.0.0.2:80")
}

func TestWhatPythonRegisteredInZooKeeperIsFound(t *testing.T) {
	t.Parallel()
	srv := servers.StartZooKeeper(t, servers.ZooKeeperOptions{})
	view := look(t, openZooKeeper(t, srv, ""), "book")
	server := startPython(t, "pykazoo/pykazoo.py", "register", srv.Addr(), "/services", "book", "10.0.0.8", "80")
	server.until("registered")
	if in := seesPassing(t, view, "10.0.0.8:80"); in.ID != "book-10.0.0.8-80" || in.Zone != "eu-1" || in.Weight != 10 {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}
