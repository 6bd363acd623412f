package adsumkit_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kitlb "github.com/go-kit/kit/sd/lb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

// BenchmarkCall is one call through each stack to an endpoint that does
// nothing: what balancing and retrying cost.
func BenchmarkCall(b *testing.B) {
	for _, instances := range []int{10, 1000, 10_000} {
		endpointer := fleet(b, instances)
		gokit := kitlb.NewRoundRobin(fixed(instances))
		ours := adsumkit.NewBalancer(endpointer, lb.RoundRobin)
		for _, stack := range []struct {
			name string
			call endpoint.Endpoint
		}{
			{"gokit", picking(gokit)},
			{"adsumkit", picking(ours)},
			{"gokit+retry", kitlb.Retry(3, 3*time.Second, gokit)},
			{"adsumkit+retry", adsumkit.Retry(3, 3*time.Second, ours)},
		} {
			b.Run(fmt.Sprintf("%s/n=%d", stack.name, instances), func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := stack.call(context.Background(), nil); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func picking(balancer kitlb.Balancer) endpoint.Endpoint {
	return func(ctx context.Context, request any) (any, error) {
		call, err := balancer.Endpoint()
		if err != nil {
			return nil, err
		}
		return call(ctx, request)
	}
}

func nothing(context.Context, any) (any, error) { return nil, nil }

func fixed(n int) sd.FixedEndpointer {
	endpoints := make(sd.FixedEndpointer, n)
	for i := range endpoints {
		endpoints[i] = nothing
	}
	return endpoints
}

// fleet is an endpointer of n instances.
func fleet(b *testing.B, n int) *adsumkit.Endpointer {
	b.Helper()
	instances := make(sd.FixedInstancer, n)
	for i := range instances {
		instances[i] = fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255)
	}
	registry := adsumkit.FromInstancers(map[string]sd.Instancer{"book": instances})
	dir := adsum.NewDirectory(registry, quiet)
	instancer, err := adsumkit.NewInstancer(dir, "book")
	if err != nil {
		b.Fatal(err)
	}
	endpointer := adsumkit.NewEndpointer(instancer, func(string) (endpoint.Endpoint, io.Closer, error) { return nothing, nil, nil })
	b.Cleanup(func() {
		endpointer.Close()
		instancer.Stop()
		if err := dir.Close(); err != nil {
			b.Error(err)
		}
		if err := registry.Close(); err != nil {
			b.Error(err)
		}
	})
	return endpointer
}
