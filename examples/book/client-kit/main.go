// Command client-kit calls the book service with go-kit.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/lb"
)

func main() {
	requests := flag.Int("calls", 8, "how many requests to make")
	openRegistry := book.RegistryFlag()
	book.ParseFlags()
	if err := call(context.Background(), *requests, openRegistry); err != nil {
		log.Fatal(err)
	}
}

func call(ctx context.Context, requests int, openRegistry func() (adsum.Registry, error)) error {
	registry, err := openRegistry()
	if err != nil {
		return err
	}
	defer registry.Close()
	dir := adsum.NewDirectory(registry)
	defer dir.Close()

	instancer, err := adsumkit.NewInstancer(dir, book.Service)
	if err != nil {
		return err
	}
	defer instancer.Stop()
	copies := &dialer{}
	endpointer := adsumkit.NewEndpointer(instancer, copies.factory)
	defer endpointer.Close()
	balancer := adsumkit.NewBalancer(endpointer, lb.RoundRobin, adsumkit.WithResult(adsumgrpc.Result))
	request := adsumkit.Retry(3, 3*time.Second, balancer, adsumkit.Idempotent(), adsumkit.WithJudge(adsumgrpc.Verdict))

	copies.waitConnected(ctx, 5*time.Second)
	for i := range requests {
		reply, err := request(ctx, query{bookID: 1, page: 1, limit: 10})
		if err != nil {
			return fmt.Errorf("request %d: %w", i+1, err)
		}
		answer := reply.(answer)
		if err := book.Print(os.Stdout, answer.addr, answer.info, answer.list); err != nil {
			return err
		}
	}
	return nil
}
