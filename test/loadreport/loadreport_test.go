// Package loadreport_test checks load reports against gRPC's own: its balancer
// goes by what our servers tell, and our clients read what its servers tell.
package loadreport_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/balancer/weightedroundrobin" // registers itself
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/orca"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

const method = "/book.Book/Get"

// serve starts a server whose one method calls handle, and returns its address.
func serve(t *testing.T, handle func(context.Context), opts ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(opts...)
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: "book.Book", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Get",
		Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			in := &emptypb.Empty{}
			if err := decode(in); err != nil {
				return nil, err
			}
			return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: method}, func(ctx context.Context, in any) (any, error) {
				handle(ctx)
				return in, nil
			})
		},
	}}}, struct{}{})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func get(t *testing.T, ctx context.Context, conn *grpc.ClientConn) {
	t.Helper()
	if err := conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
}

func TestWeightedRoundRobinOfGRPCGoesByWhatOurServersTell(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var idle, busy atomic.Int64
	server := func(calls *atomic.Int64, utilization float64) resolver.Address {
		meter := &load.Meter{Utilization: func() float64 { return utilization }}
		return resolver.Address{Addr: serve(t, func(context.Context) { calls.Add(1) }, adsumgrpc.LoadOptions(meter, nil)...)}
	}
	names := manual.NewBuilderWithScheme("fixed")
	names.InitialState(resolver.State{Addresses: []resolver.Address{server(&idle, 0.1), server(&busy, 0.8)}})
	conn, err := grpc.NewClient("fixed:///book", grpc.WithResolvers(names), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"weighted_round_robin":{"blackoutPeriod":"0s","weightUpdatePeriod":"0.1s"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for ctx.Err() == nil {
		idle.Store(0)
		busy.Store(0)
		for range 200 {
			get(t, ctx, conn)
		}
		if idle.Load() > 3*busy.Load() && busy.Load() > 0 {
			return
		}
	}
	t.Errorf("of the last calls the idle server got %d, the busy one %d", idle.Load(), busy.Load())
}

// told is a policy that hands on what servers tell.
type told chan lb.Load

func (told) Name() string      { return "told" }
func (told) Needs() lb.Signals { return lb.Loads }
func (p told) Build(_ *lb.Env, eps []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return toldPicker{p, eps[0]}
}

type toldPicker struct {
	told
	ep *lb.Endpoint
}

func (p toldPicker) Pick(*lb.Call) *lb.Endpoint          { return p.ep }
func (p toldPicker) Done(*lb.Endpoint, lb.Outcome)       {}
func (p toldPicker) Loaded(_ *lb.Endpoint, load lb.Load) { p.told <- load }

func TestOurClientsReadWhatServersOfGRPCTell(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	server := orca.NewServerMetricsRecorder()
	server.SetCPUUtilization(0.25)
	addr := serve(t, func(ctx context.Context) {
		call := orca.CallMetricsRecorderFromContext(ctx)
		call.SetRequestCost("rows", 12)
		call.SetNamedMetric("in_flight", 7)
		call.SetNamedMetric("queue", 2)
		call.SetNamedMetric("service_seconds", 0.02)
	}, orca.CallMetricsServerOption(server))

	registry := memory.New()
	defer registry.Close()
	reg, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close(context.Background())
	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	policy := make(told, 10)
	conn, err := adsumgrpc.NewClient(dir, "book", grpc.WithTransportCredentials(insecure.NewCredentials()), adsumgrpc.WithPolicy(policy))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	get(t, ctx, conn)
	want := lb.Load{Known: true, InFlight: 7, Queue: 2, Service: 20 * time.Millisecond, Utilization: 0.25}
	if got := <-policy; got != want {
		t.Errorf("read %+v, want %+v", got, want)
	}
}
