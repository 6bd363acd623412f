// Command kratos is a program that knows nothing of adsum: it finds and
// registers servers by Kratos' own Consul registry.
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

const usage = `kratos watch AGENT SERVICE             print every list of endpoints until the input ends
kratos register AGENT SERVICE ADDR     keep the gRPC server at ADDR registered until the input ends`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return errors.New(usage)
	}
	log.SetLogger(log.NewStdLogger(os.Stderr)) // the output is for results
	client, err := api.NewClient(&api.Config{Address: args[1]})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := consul.New(client, consul.WithHealthCheckInterval(1))
	switch {
	case args[0] == "watch" && len(args) == 3:
		go untilInputEnds(cancel)
		return watch(ctx, r, args[2])
	case args[0] == "register" && len(args) == 4:
		return register(ctx, r, args[2], args[3])
	}
	return errors.New(usage)
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
		var endpoints []string
		for _, in := range instances {
			endpoints = append(endpoints, in.Endpoints...)
		}
		slices.Sort(endpoints)
		fmt.Println(strings.Join(endpoints, " "))
	}
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
