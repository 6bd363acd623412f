//go:build unix

// Command prepare builds or downloads the registry servers that the tests
// run, and clients of theirs in other languages, into a cache outside the
// tree:
//
//	go run ./test/servers/prepare [etcd] [consul] [zookeeper] [eureka] [netflix] [curator] [eurekaclient] [python]
//
// Without arguments it prepares them all. What the cache holds already costs
// milliseconds.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/adsum-go/adsum/test/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := servers.Prepare(ctx, os.Stdout, os.Args[1:]...); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}
