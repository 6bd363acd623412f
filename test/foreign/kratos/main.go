// Command kratos is a program that knows nothing of adsum: it finds and
// registers servers by Kratos' own registries of Consul and ZooKeeper.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-kratos/kratos/contrib/registry/consul/v2"
	"github.com/go-kratos/kratos/v2/log"
	"github.com/go-kratos/kratos/v2/registry"
	"github.com/hashicorp/consul/api"
)

const usage = `kratos watch consul|zk HOST:PORT SERVICE             print every list of endpoints until the input ends
kratos register consul|zk HOST:PORT SERVICE ADDR     keep the gRPC server at ADDR registered until the input ends`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return errors.New(usage)
	}
	log.SetLogger(log.NewStdLogger(os.Stderr)) // the output is for results
	r, err := open(args[1], args[2])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch {
	case args[0] == "watch" && len(args) == 4:
		go untilInputEnds(cancel)
		return r.watch(ctx, args[3])
	case args[0] == "register" && len(args) == 5:
		return register(ctx, r, args[3], args[4])
	}
	return errors.New(usage)
}

// kratosRegistry is one of Kratos' registries.
type kratosRegistry struct {
	registry.Registrar
	watch func(ctx context.Context, service string) error
}

func open(product, addr string) (*kratosRegistry, error) {
	switch product {
	case "consul":
		client, err := api.NewClient(&api.Config{Address: addr})
		if err != nil {
			return nil, err
		}
		r := consul.New(client, consul.WithHealthCheckInterval(1))
		return &kratosRegistry{r, func(ctx context.Context, service string) error { return watch(ctx, r, service) }}, nil
	case "zk":
		return openZooKeeper(addr)
	}
	return nil, errors.New(usage)
}

func untilInputEnds(then func()) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	then()
}

func watch(ctx context.Context, r registry.Discovery, service string) error {
	watcher, err := r.Watch(ctx, service)
	if err != nil {
		return err
	}
	for {
		instances, err := watcher.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(endpoints(instances))
	}
}

func endpoints(instances []*registry.ServiceInstance) string {
	var all []string
	for _, in := range instances {
		all = append(all, in.Endpoints...)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func register(ctx context.Context, r registry.Registrar, service, addr string) error {
	in := &registry.ServiceInstance{
		ID: service + "-1", Name: service, Version: "1.2.3",
		Metadata:  map[string]string{"zone": "eu-1", "weight": "10"},
		Endpoints: []string{"grpc://" + addr},
	}
	if err := r.Register(ctx, in); err != nil {
		return err
	}
	fmt.Println("registered")
	untilInputEnds(func() {})
	return r.Deregister(ctx, in)
}
