// Command naming is a program that knows nothing of adsum: it finds and
// registers gRPC servers by etcd's own client/v3/naming. It is built with
// several pairs of that client and gRPC, one go.mod each.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/naming/resolver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
)

const usage = `naming call ETCD TARGET     for each line of input call a server and print its address
naming register ETCD TARGET ADDR    keep ADDR registered until the input ends`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("%s", usage)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{args[1]}, DialTimeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	switch {
	case args[0] == "call":
		return call(client, args[2])
	case args[0] == "register" && len(args) == 4:
		return register(client, args[2], args[3])
	}
	return fmt.Errorf("%s", usage)
}

func call(client *clientv3.Client, target string) error {
	builder, err := resolver.NewBuilder(client)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("etcd:///"+target, grpc.WithResolvers(builder),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	if err != nil {
		return err
	}
	defer conn.Close()
	health := healthpb.NewHealthClient(conn)
	for line := ""; ; {
		if _, err := fmt.Scanln(&line); err != nil {
			return nil // the input ended
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		var from peer.Peer
		_, err := health.Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Peer(&from), grpc.WaitForReady(true))
		cancel()
		if err != nil {
			return err
		}
		fmt.Println(from.Addr)
	}
}

func register(client *clientv3.Client, target, addr string) error {
	ctx := context.Background()
	manager, err := endpoints.NewManager(client, target)
	if err != nil {
		return err
	}
	lease, err := client.Grant(ctx, 10)
	if err != nil {
		return err
	}
	alive, err := client.KeepAlive(ctx, lease.ID)
	if err != nil {
		return err
	}
	go func() {
		for range alive {
		}
	}()
	endpoint := endpoints.Endpoint{Addr: addr, Metadata: map[string]string{"weight": "10", "zone": "eu-1"}}
	if err := manager.AddEndpoint(ctx, target+"/"+addr, endpoint, clientv3.WithLease(lease.ID)); err != nil {
		return err
	}
	fmt.Println("registered")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return manager.DeleteEndpoint(ctx, target+"/"+addr)
}
