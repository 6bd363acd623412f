package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kitlb "github.com/go-kit/kit/sd/lb"
	"github.com/go-kit/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumhttp"
)

const service = "book"

// contestant is a library that calls.
type contestant struct {
	name string
	ours bool
	dial func(*fleet) (call func(context.Context) error, close func(), err error)
}

// Ours are as they are when nothing is said, but that the calls may be repeated.
var contestants = []contestant{
	{"adsumgrpc", true, dialAdsumGRPC},
	{"grpc-go round_robin", false, dialGRPC},
	{"go-kit RoundRobin and Retry, gRPC", false, dialKitGRPC},
	{"adsumhttp", true, dialAdsumHTTP},
	{"go-kit RoundRobin and Retry, HTTP", false, dialKitHTTP},
}

var inClear = grpc.WithTransportCredentials(insecure.NewCredentials())

func check(conn grpc.ClientConnInterface) func(context.Context) error {
	client := healthpb.NewHealthClient(conn)
	return func(ctx context.Context) error {
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
		return err
	}
}

func dialAdsumGRPC(f *fleet) (func(context.Context) error, func(), error) {
	conn, err := adsumgrpc.NewClient(f.dir, service, inClear, adsumgrpc.Idempotent(healthpb.Health_Check_FullMethodName))
	if err != nil {
		return nil, nil, err
	}
	return check(conn), func() { conn.Close() }, nil
}

func dialGRPC(f *fleet) (func(context.Context) error, func(), error) {
	list := manual.NewBuilderWithScheme("list")
	var state resolver.State
	for _, p := range f.copies {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: p.grpc}}})
	}
	list.InitialState(state)
	conn, err := grpc.NewClient("list:///"+service, inClear, grpc.WithResolvers(list),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	if err != nil {
		return nil, nil, err
	}
	return check(conn), func() { conn.Close() }, nil
}

func dialKitGRPC(f *fleet) (func(context.Context) error, func(), error) {
	return dialKit(f, func(p *process) string { return p.grpc }, func(addr string) (endpoint.Endpoint, io.Closer, error) {
		conn, err := grpc.NewClient(addr, inClear)
		if err != nil {
			return nil, nil, err
		}
		call := check(conn)
		return func(ctx context.Context, _ any) (any, error) { return nil, call(ctx) }, conn, nil
	})
}

func dialAdsumHTTP(f *fleet) (func(context.Context) error, func(), error) {
	transport := adsumhttp.NewTransport(f.dir)
	return get(transport, service), func() { transport.Close() }, nil
}

func dialKitHTTP(f *fleet) (func(context.Context) error, func(), error) {
	tuned := http.DefaultTransport.(*http.Transport).Clone()
	tuned.MaxIdleConns, tuned.MaxIdleConnsPerHost = 0, 256
	call, stop, err := dialKit(f, func(p *process) string { return p.http }, func(addr string) (endpoint.Endpoint, io.Closer, error) {
		call := get(tuned, addr)
		return func(ctx context.Context, _ any) (any, error) { return nil, call(ctx) }, nil, nil
	})
	return call, func() {
		stop()
		tuned.CloseIdleConnections()
	}, err
}

// dialKit is what go-kit's own examples do: an endpoint for each instance,
// round robin over them, three tries.
func dialKit(f *fleet, addr func(*process) string, connect sd.Factory) (func(context.Context) error, func(), error) {
	var addrs []string
	for _, p := range f.copies {
		addrs = append(addrs, addr(p))
	}
	endpointer := sd.NewEndpointer(sd.FixedInstancer(addrs), connect, log.NewNopLogger())
	call := kitlb.Retry(3, patience, kitlb.NewRoundRobin(endpointer))
	return func(ctx context.Context) error {
		_, err := call(ctx, nil)
		return err
	}, endpointer.Close, nil
}

func get(transport http.RoundTripper, host string) func(context.Context) error {
	client := &http.Client{Transport: transport}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != http.StatusOK {
			err = errors.Join(err, fmt.Errorf("%s", resp.Status))
		}
		return errors.Join(err, resp.Body.Close())
	}
}
