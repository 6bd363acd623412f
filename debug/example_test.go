package debug_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/debug"
	"github.com/adsum-go/adsum/lb"
)

func ExampleHandler() {
	inspector := &lb.Inspector{}
	mux := http.NewServeMux()
	mux.Handle(debug.Path, debug.Handler(inspector))
	server := httptest.NewServer(mux) // on a loopback address
	defer server.Close()

	// A client that WithInspector was given to keeps such a balancer.
	b := lb.New(lb.RoundRobin, lb.Options{Inspector: inspector, Transport: "grpc", Rand: func() uint64 { return 0 }})
	defer b.Close()
	b.Update(&adsum.Snapshot{Service: "book", Generation: 2, Instances: []*adsum.Instance{
		{ID: "a", Addr: "10.0.0.1:80", Weight: 1, Status: adsum.Draining},
		{ID: "b", Addr: "10.0.0.2:80", Weight: 1, Status: adsum.Passing},
	}})

	resp, err := http.Get(server.URL + debug.Path + "?service=book")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	fmt.Print(string(text))
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// book over grpc, by round_robin; generation 2, confirmed 0s ago
	// COPY  ADDR         ZONE  STATUS    WEIGHT  IN FLIGHT  LATENCY  LEFT OUT
	// a     10.0.0.1:80        draining  1       0                   status: draining
	// b     10.0.0.2:80        passing   1       0
	//
	// would pick now: b, the next in turn, by id; left out: 1 status
}
