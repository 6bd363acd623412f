package foreign_test

import (
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
)

func TestKratosProgramsSeeWhatWeRegisteredInConsul(t *testing.T) {
	t.Parallel()
	binary := build(t, "kratos", "go.mod")
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	registry := openConsul(t, srv)
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Endpoints: map[string]string{"grpc": "10.0.0.1:90"}})
	caller := start(t, binary, "watch", srv.Addr(), "book")
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
	server := start(t, binary, "register", srv.Addr(), "book", addr)
	server.until("registered")
	in := seesPassing(t, view, addr)
	if in.ID != "book-1" || in.Version != "1.2.3" || in.Zone != "eu-1" || in.Weight != 10 || in.Endpoints["grpc"] != addr {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}
