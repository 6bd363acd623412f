package adsumgrpc_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/test/bufconn"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/memory"
)

// BenchmarkUnary is a unary call on loopback from 32 callers to 4 servers:
// ours, with retry on, beside gRPC's own round_robin.
func BenchmarkUnary(b *testing.B) {
	f := newFleet(b)
	copies := f.start(4)
	raw := roundRobin(b, names(copies))
	defer raw.Close()
	callAll(b, raw, len(copies))
	own, _ := f.client()
	b.Run("grpc", func(b *testing.B) { unary(b, raw) })
	b.Run("adsum", func(b *testing.B) { unary(b, own) })
	// Both in turn, so that a busy machine slows both alike.
	b.Run("ratio", func(b *testing.B) {
		var took [2]time.Duration
		for b.Loop() {
			took[0] += burst(b, raw)
			took[1] += burst(b, own) + burst(b, own)
			took[0] += burst(b, raw)
		}
		b.ReportMetric(float64(took[0])/float64(took[1]), "×grpc")
	})
}

func unary(b *testing.B, conn *grpc.ClientConn) {
	client := echopb.NewEchoClient(conn)
	b.SetParallelism(32 / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.Look(context.Background(), &echopb.Request{Text: "hello"}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// burst is how long 32 callers take for 100 calls each.
func burst(b *testing.B, conn *grpc.ClientConn) time.Duration {
	client := echopb.NewEchoClient(conn)
	var callers sync.WaitGroup
	begun := time.Now()
	for range 32 {
		callers.Go(func() {
			for range 100 {
				if _, err := client.Look(context.Background(), &echopb.Request{Text: "hello"}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	return time.Since(begun)
}

// BenchmarkConnect is how long it takes until n endpoints have all been called:
// ours beside gRPC's own round_robin. The transport is in memory.
func BenchmarkConnect(b *testing.B) {
	srv, dial := inMemory(b)
	defer srv.Stop()
	for _, n := range []int{100, 1000} {
		addrs := make([]string, n)
		registry := memory.NewServer()
		for i := range addrs {
			addrs[i] = "10.0." + strconv.Itoa(i/250) + "." + strconv.Itoa(1+i%250) + ":50051"
			registration, err := adsum.Register(registry.Client(), adsum.Instance{Service: "echo", Addr: addrs[i]}, adsum.WithLogger(quiet))
			if err != nil {
				b.Fatal(err)
			}
			defer registration.Close(context.Background())
		}
		dir := adsum.NewDirectory(registry.Client(), adsum.WithLogger(quiet))
		defer dir.Close()
		for len(registry.Records("echo")) < n {
			if _, err := dir.Snapshot(soon(b), "echo"); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("adsum/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				conn, err := adsumgrpc.NewClient(dir, "echo", inClear, inTurn, dial)
				if err != nil {
					b.Fatal(err)
				}
				callAll(b, conn, n)
				conn.Close()
			}
		})
		b.Run(fmt.Sprintf("grpc/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				conn := roundRobin(b, addrs, dial)
				callAll(b, conn, n)
				conn.Close()
			}
		})
	}
}

// inMemory is a server that listens in memory, and how to dial it by any
// address.
func inMemory(b *testing.B) (*grpc.Server, grpc.DialOption) {
	listener := bufconn.Listen(1 << 16)
	srv := grpc.NewServer()
	echopb.RegisterEchoServer(srv, greeter{})
	go srv.Serve(listener)
	return srv, grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := listener.DialContext(ctx)
		if err != nil {
			return nil, err
		}
		remote, err := net.ResolveTCPAddr("tcp", addr)
		return named{conn, remote}, err
	})
}

// named is a connection in memory that says which address it is to.
type named struct {
	net.Conn
	remote net.Addr
}

func (n named) RemoteAddr() net.Addr { return n.remote }

// callAll calls until each of n endpoints has answered.
func callAll(b *testing.B, conn *grpc.ClientConn, n int) {
	b.Helper()
	ctx, client := soon(b), echopb.NewEchoClient(conn)
	for seen := map[string]bool{}; len(seen) < n; {
		var to peer.Peer
		if _, err := client.Look(ctx, &echopb.Request{}, grpc.WaitForReady(true), grpc.Peer(&to)); err != nil {
			b.Fatal(err)
		}
		seen[to.Addr.String()] = true
	}
}

// roundRobin is a plain gRPC client of the addresses.
func roundRobin(b *testing.B, addrs []string, opts ...grpc.DialOption) *grpc.ClientConn {
	b.Helper()
	list := manual.NewBuilderWithScheme("list")
	var state resolver.State
	for _, addr := range addrs {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}})
	}
	list.InitialState(state)
	conn, err := grpc.NewClient("list:///echo", append([]grpc.DialOption{inClear, grpc.WithResolvers(list),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`)}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}
