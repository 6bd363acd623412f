package bench_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kitlb "github.com/go-kit/kit/sd/lb"
	"github.com/go-kit/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/memory"
)

const (
	servers = 4
	callers = 32
)

var inClear = grpc.WithTransportCredentials(insecure.NewCredentials())

// calls is one library's way to make one call.
type calls struct {
	lib  string
	call func(context.Context) error
}

// BenchmarkUnary is a unary gRPC call on loopback, from 32 callers to 4
// servers in the same process. Ours has its retries on.
func BenchmarkUnary(b *testing.B) {
	addrs := make([]string, servers)
	for i := range addrs {
		addrs[i] = grpcServer(b)
	}
	dir := directory(b, addrs)
	inParallel(b, []calls{
		{"adsum", adsumUnary(b, dir, lb.RoundRobin)},
		{"adsum_peak_ewma", adsumUnary(b, dir, lb.PeakEWMA)},
		{"grpc-go", grpcUnary(b, addrs)},
		{"go-kit", kitUnary(b, addrs)},
		{"dial_each_call", dialEachCall(addrs)},
	})
}

// BenchmarkHTTP is a GET on loopback, from 32 callers to 4 servers in the same
// process. Ours has its retries on.
func BenchmarkHTTP(b *testing.B) {
	addrs := make([]string, servers)
	for i := range addrs {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a book") }))
		b.Cleanup(srv.Close)
		addrs[i] = srv.Listener.Addr().String()
	}
	tuned := http.DefaultTransport.(*http.Transport).Clone()
	tuned.MaxIdleConns, tuned.MaxIdleConnsPerHost = 0, 256
	untouched := http.DefaultTransport.(*http.Transport).Clone()
	dir := directory(b, addrs)
	b.Cleanup(tuned.CloseIdleConnections)
	b.Cleanup(untouched.CloseIdleConnections)
	inParallel(b, []calls{
		{"adsum", adsumGet(b, dir, lb.RoundRobin)},
		{"adsum_peak_ewma", adsumGet(b, dir, lb.PeakEWMA)},
		{"net-http_tuned", get(tuned, inTurn(addrs))},
		{"net-http_default", get(untouched, inTurn(addrs))},
	})
}

// inParallel measures the libraries in an order that is another one in every
// run, all of them warm.
func inParallel(b *testing.B, libraries []calls) {
	rand.Shuffle(len(libraries), func(i, j int) { libraries[i], libraries[j] = libraries[j], libraries[i] })
	for _, c := range libraries {
		warm(b, c.call)
	}
	for _, c := range libraries {
		b.Run("lib="+c.lib, func(b *testing.B) {
			b.SetParallelism(callers / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := c.call(context.Background()); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// warm makes the first calls, which find connections to be made.
func warm(b *testing.B, call func(context.Context) error) {
	b.Helper()
	var each sync.WaitGroup
	for range callers {
		each.Go(func() {
			for range 20 {
				if err := call(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	each.Wait()
}

// directory knows the addresses as the service "book".
func directory(b *testing.B, addrs []string) *adsum.Directory {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	registry := memory.New()
	b.Cleanup(func() { registry.Close() })
	dir := adsum.NewDirectory(registry, adsum.WithLogger(quiet))
	b.Cleanup(func() { dir.Close() })
	for _, addr := range addrs {
		registration, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: addr}, adsum.WithLogger(quiet))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { registration.Close(context.Background()) })
		if _, err := registration.Wait(b.Context(), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

func grpcServer(b *testing.B) (addr string) {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, health.NewServer())
	go srv.Serve(listener)
	b.Cleanup(srv.Stop)
	return listener.Addr().String()
}

// check makes the call that all of them measure.
func check(conn *grpc.ClientConn) func(context.Context) error {
	client := healthpb.NewHealthClient(conn)
	return func(ctx context.Context) error {
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
}

// connected makes a first call, that the connections are there.
func connected(b *testing.B, conn *grpc.ClientConn) *grpc.ClientConn {
	b.Helper()
	b.Cleanup(func() { conn.Close() })
	if _, err := healthpb.NewHealthClient(conn).Check(b.Context(), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
		b.Fatal(err)
	}
	return conn
}

func adsumUnary(b *testing.B, dir *adsum.Directory, policy lb.Policy) func(context.Context) error {
	conn, err := adsumgrpc.NewClient(dir, "book", inClear, adsumgrpc.WithPolicy(policy), adsumgrpc.Idempotent(healthpb.Health_Check_FullMethodName))
	if err != nil {
		b.Fatal(err)
	}
	return check(connected(b, conn))
}

func grpcUnary(b *testing.B, addrs []string) func(context.Context) error {
	list := manual.NewBuilderWithScheme("list")
	var state resolver.State
	for _, addr := range addrs {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}})
	}
	list.InitialState(state)
	conn, err := grpc.NewClient("list:///book", inClear, grpc.WithResolvers(list),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	if err != nil {
		b.Fatal(err)
	}
	return check(connected(b, conn))
}

// kitUnary is what go-kit's own examples do: a connection for each instance,
// round robin over them, three tries.
func kitUnary(b *testing.B, addrs []string) func(context.Context) error {
	connect := func(addr string) (endpoint.Endpoint, io.Closer, error) {
		conn, err := grpc.NewClient(addr, inClear)
		if err != nil {
			return nil, nil, err
		}
		call := check(conn)
		return func(ctx context.Context, _ any) (any, error) { return nil, call(ctx) }, conn, nil
	}
	endpointer := sd.NewEndpointer(sd.FixedInstancer(addrs), connect, log.NewNopLogger())
	b.Cleanup(endpointer.Close)
	call := kitlb.Retry(3, 3*time.Second, kitlb.NewRoundRobin(endpointer))
	return func(ctx context.Context) error {
		_, err := call(ctx, nil)
		return err
	}
}

func dialEachCall(addrs []string) func(context.Context) error {
	next := inTurn(addrs)
	return func(ctx context.Context) error {
		conn, err := grpc.NewClient(next(), inClear)
		if err != nil {
			return err
		}
		return errors.Join(check(conn)(ctx), conn.Close())
	}
}

func adsumGet(b *testing.B, dir *adsum.Directory, policy lb.Policy) func(context.Context) error {
	transport := adsumhttp.NewTransport(dir, adsumhttp.WithPolicy(policy))
	b.Cleanup(func() { transport.Close() })
	return get(transport, func() string { return "book" })
}

func inTurn(addrs []string) func() string {
	var turn atomic.Uint64
	return func() string { return addrs[turn.Add(1)%uint64(len(addrs))] }
}

func get(transport http.RoundTripper, host func() string) func(context.Context) error {
	client := &http.Client{Transport: transport}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host()+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	}
}
