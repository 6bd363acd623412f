package adsumgrpc_test

import (
	"testing"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/lb"
)

func TestAnInspectorSeesTheConnectionAndItsPicks(t *testing.T) {
	f := newFleet(t)
	f.start(2)
	inspector := &lb.Inspector{}
	conn, client := f.client(adsumgrpc.WithInspector(inspector))
	answered := look(t, client)
	open := inspector.Balancers()
	if len(open) != 1 {
		t.Fatalf("%d balancers, want that of the connection", len(open))
	}
	i := open[0].Inspect()
	if i.Service != "echo" || i.Transport != "grpc" || i.Policy != "round_robin" || len(i.Endpoints) != 2 {
		t.Errorf("%+v", i)
	}
	if len(i.Recent) == 0 || i.Recent[0].Addr != answered {
		t.Errorf("%s answered, recorded are %+v", answered, i.Recent)
	}
	conn.Close()
	if open := inspector.Balancers(); len(open) != 0 {
		t.Errorf("%d balancers after the connection was closed", len(open))
	}
}
