package migration_test

import (
	"context"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/etcdv3"
	"github.com/go-kit/kit/sd/lb"
	"github.com/go-kit/log"
)

func registerBefore(ctx context.Context, etcdServers []string, addr string, logger log.Logger) (withdraw func(), err error) {
	client, err := etcdv3.NewClient(ctx, etcdServers, etcdv3.ClientOptions{DialTimeout: 3 * time.Second})
	if err != nil {
		return nil, err
	}
	registrar := etcdv3.NewRegistrar(client, etcdv3.Service{
		Key:   "/services/book/" + addr,
		Value: addr,
		TTL:   etcdv3.NewTTLOption(3*time.Second, 10*time.Second),
	}, logger)
	registrar.Register()
	return registrar.Deregister, nil
}

func callerBefore(ctx context.Context, etcdServers []string, factory sd.Factory, logger log.Logger) (endpoint.Endpoint, error) {
	client, err := etcdv3.NewClient(ctx, etcdServers, etcdv3.ClientOptions{DialTimeout: 3 * time.Second})
	if err != nil {
		return nil, err
	}
	instancer, err := etcdv3.NewInstancer(client, "/services/book/", logger)
	if err != nil {
		return nil, err
	}
	endpointer := sd.NewEndpointer(instancer, factory, logger)
	balancer := lb.NewRoundRobin(endpointer)
	return lb.Retry(3, 3*time.Second, balancer), nil
}
