package migration_test

import (
	"errors"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	"github.com/go-kit/log"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/lb"
)

func registerAfter(etcdURL, addr string, logger log.Logger) (withdraw func(), err error) {
	registry, err := etcd.Open(etcdURL) // "etcd://127.0.0.1:2379/services?codec=addr"
	if err != nil {
		return nil, err
	}
	registrar, err := adsumkit.NewRegistrar(registry, adsum.Instance{Service: "book", Addr: addr},
		adsum.WithTTL(10*time.Second), adsum.WithLogger(adsumkit.NewLogger(logger)))
	if err != nil {
		return nil, errors.Join(err, registry.Close())
	}
	registrar.Register()
	return func() {
		registrar.Deregister()
		registry.Close()
	}, nil
}

func callerAfter(etcdURL string, factory sd.Factory, logger log.Logger) (call endpoint.Endpoint, stop func(), err error) {
	registry, err := etcd.Open(etcdURL) // "etcd://127.0.0.1:2379/services"
	if err != nil {
		return nil, nil, err
	}
	directory := adsum.NewDirectory(registry, adsum.WithLogger(adsumkit.NewLogger(logger)))
	instancer, err := adsumkit.NewInstancer(directory, "book")
	if err != nil {
		return nil, nil, errors.Join(err, directory.Close(), registry.Close())
	}
	endpointer := adsumkit.NewEndpointer(instancer, factory)
	balancer := adsumkit.NewBalancer(endpointer, lb.RoundRobin)
	call = adsumkit.Retry(3, 3*time.Second, balancer, adsumkit.Idempotent())
	return call, func() {
		endpointer.Close()
		instancer.Stop()
		directory.Close()
		registry.Close()
	}, nil
}

// callerOverGRPC is for factories whose endpoints call over gRPC.
func callerOverGRPC(endpointer *adsumkit.Endpointer) endpoint.Endpoint {
	balancer := adsumkit.NewBalancer(endpointer, lb.RoundRobin, adsumkit.WithResult(adsumgrpc.Result))
	return adsumkit.Retry(3, 3*time.Second, balancer, adsumkit.Idempotent(), adsumkit.WithJudge(adsumgrpc.Verdict))
}

// directoryOn lets adsum's clients call what go-kit's instancer finds.
func directoryOn(instancer sd.Instancer) *adsum.Directory {
	registry := adsumkit.FromInstancers(map[string]sd.Instancer{"book": instancer})
	return adsum.NewDirectory(registry)
}
