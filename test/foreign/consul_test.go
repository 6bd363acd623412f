package foreign_test

import (
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/test/servers"
)

func TestGoKitProgramsSeeWhatWeRegisteredInConsul(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	registry := openConsul(t, srv)
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80"})
	caller := start(t, binary, "watch", "consul", srv.Addr(), "book")
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
	withdraw(t, reg)
	caller.until("10.0.0.2:80")
}

func TestWhatGoKitRegisteredInConsulIsFound(t *testing.T) {
	t.Parallel()
	binary := build(t, "gokit", "go.mod")
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	view := look(t, openConsul(t, srv), "book")
	server := start(t, binary, "register", "consul", srv.Addr(), "book", "10.0.0.8:80")
	server.until("registered")
	in := seesPassing(t, view, "10.0.0.8:80")
	if in.Zone != "eu-1" || in.Weight != 10 || !in.HasTag("v1") {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

func openConsul(t *testing.T, srv *servers.Consul) adsum.Registry {
	t.Helper()
	return open(t, consul.Open, "consul://"+srv.Addr())
}
