package main

import (
	"context"
	"time"

	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/etcdv3"
	"github.com/go-kit/log"
)

type etcd struct{ client etcdv3.Client }

func newEtcd(server string) (registry, error) {
	client, err := etcdv3.NewClient(context.Background(), []string{server}, etcdv3.ClientOptions{DialTimeout: 5 * time.Second})
	return etcd{client}, err
}

func (e etcd) instancer(prefix string) (sd.Instancer, error) {
	return etcdv3.NewInstancer(e.client, prefix, log.NewNopLogger())
}

func (e etcd) registrar(key, addr string) (sd.Registrar, error) {
	ttl := etcdv3.NewTTLOption(3*time.Second, 10*time.Second)
	return etcdv3.NewRegistrar(e.client, etcdv3.Service{Key: key, Value: addr, TTL: ttl}, log.NewNopLogger()), nil
}

func (etcd) close() {}
