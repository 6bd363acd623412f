package adsumgrpc_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lifecycle"
	"github.com/adsum-go/adsum/memory"
)

// greeter stands for the service of a program.
type greeter struct {
	echopb.UnimplementedEchoServer
}

func (greeter) Look(_ context.Context, in *echopb.Request) (*echopb.Reply, error) {
	return &echopb.Reply{Text: "hello, " + in.GetText()}, nil
}

// startGreeter serves in the background, as another process would, and returns
// what stops it.
func startGreeter(registry adsum.Registry) (stop func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	srv := grpc.NewServer()
	echopb.RegisterEchoServer(srv, greeter{})
	ctx, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		adsumgrpc.Serve(ctx, srv, listener, registry, adsum.Instance{Service: "greeter"},
			lifecycle.WithDrainDelay(0), lifecycle.WithLogger(slog.New(slog.DiscardHandler)))
	}()
	return func() { end(); <-done }
}

// A client calls a service by its name. Here the registry is one in memory.
func ExampleNewClient() {
	registry := memory.New()
	defer startGreeter(registry)()

	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	conn, err := adsumgrpc.NewClient(dir, "greeter",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		adsumgrpc.WithPolicy(lb.Random),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	reply, err := echopb.NewEchoClient(conn).Look(ctx, &echopb.Request{Text: "world"}, grpc.WaitForReady(true))
	fmt.Println(reply.GetText(), err)
	// Output: hello, world <nil>
}

// Calls made with a pinned context go to one copy of the service, while it is
// there.
func ExamplePin() {
	registry := memory.New()
	defer startGreeter(registry)()
	defer startGreeter(registry)()

	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	conn, err := adsumgrpc.NewClient(dir, "greeter", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ctx = adsumgrpc.Pin(ctx)
	copies := map[string]bool{}
	for range 4 {
		var in adsum.Instance
		_, err := echopb.NewEchoClient(conn).Look(ctx, &echopb.Request{}, grpc.WaitForReady(true), adsumgrpc.Answered(&in))
		if err != nil {
			fmt.Println(err)
		}
		copies[in.ID] = true
	}
	fmt.Println("copies called:", len(copies))
	// Output: copies called: 1
}

// A server registers once it answers, and is withdrawn before it stops.
func ExampleServe() {
	registry := memory.New()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := grpc.NewServer()
	echopb.RegisterEchoServer(srv, greeter{})

	ctx, stop := context.WithCancel(context.Background())
	err = adsumgrpc.Serve(ctx, srv, listener, registry, adsum.Instance{Service: "greeter"},
		lifecycle.WithDrainDelay(0),
		lifecycle.WithLogger(slog.New(slog.DiscardHandler)),
		lifecycle.OnRegister(func(reg *adsum.Registration) {
			fmt.Println("registered", reg.Instance().Service)
			stop() // a real server goes on until SIGTERM
		}))
	fmt.Println("stopped", err)
	// Output:
	// registered greeter
	// stopped <nil>
}

// A server says by gRPC's health protocol whether it is well.
func ExampleHealthCheck() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, ownHealth{})
	go srv.Serve(listener)
	defer srv.Stop()

	check := &adsumgrpc.HealthCheck{Addr: listener.Addr().String()}
	defer check.Close()
	fmt.Println(check.Probe(context.Background()))
	// Output: <nil>
}
