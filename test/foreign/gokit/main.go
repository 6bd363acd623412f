// Command gokit is a program that knows nothing of adsum: it finds and
// registers servers by go-kit's own sd/etcdv3.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/etcdv3"
	"github.com/go-kit/log"
)

const usage = `gokit watch ETCD PREFIX            print every list of addresses until the input ends
gokit register ETCD KEY ADDR       keep ADDR registered until the input ends`

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
	client, err := etcdv3.NewClient(context.Background(), []string{args[1]}, etcdv3.ClientOptions{DialTimeout: 5 * time.Second})
	if err != nil {
		return err
	}
	switch {
	case args[0] == "watch":
		return watch(client, args[2])
	case args[0] == "register" && len(args) == 4:
		registrar := etcdv3.NewRegistrar(client, etcdv3.Service{Key: args[2], Value: args[3], TTL: etcdv3.NewTTLOption(3*time.Second, 10*time.Second)}, log.NewNopLogger())
		registrar.Register()
		fmt.Println("registered")
		_, _ = io.Copy(io.Discard, os.Stdin)
		registrar.Deregister()
		return nil
	}
	return fmt.Errorf("%s", usage)
}

func watch(client etcdv3.Client, prefix string) error {
	instancer, err := etcdv3.NewInstancer(client, prefix, log.NewNopLogger())
	if err != nil {
		return err
	}
	defer instancer.Stop()
	events := make(chan sd.Event, 16)
	instancer.Register(events)
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(done)
	}()
	for {
		select {
		case event := <-events:
			if event.Err != nil {
				return event.Err
			}
			slices.Sort(event.Instances)
			fmt.Println(strings.Join(event.Instances, " "))
		case <-done:
			return nil
		}
	}
}
