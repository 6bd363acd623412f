// Command gokit is a program that knows nothing of adsum: it finds and
// registers servers by go-kit's own sd/etcdv3, sd/consul and sd/zk.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/go-kit/kit/sd"
)

const usage = `gokit watch REGISTRY SERVER PLACE             print every list of addresses until the input ends
gokit register REGISTRY SERVER PLACE ADDR     keep ADDR registered until the input ends

REGISTRY  PLACE
etcd      a prefix to watch, a key to register
consul    a service
zk        a path`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// registry is one of go-kit's packages, connected to a server.
type registry interface {
	instancer(place string) (sd.Instancer, error)
	registrar(place, addr string) (sd.Registrar, error)
	close()
}

func run(args []string) error {
	if len(args) < 4 {
		return errors.New(usage)
	}
	r, err := connect(args[1], args[2])
	if err != nil {
		return err
	}
	defer r.close()
	switch {
	case args[0] == "watch" && len(args) == 4:
		return watch(r, args[3])
	case args[0] == "register" && len(args) == 5:
		return register(r, args[3], args[4])
	}
	return errors.New(usage)
}

func connect(name, server string) (registry, error) {
	switch name {
	case "etcd":
		return newEtcd(server)
	case "consul":
		return newConsul(server)
	case "zk":
		return newZK(server)
	}
	return nil, errors.New(usage)
}

func register(r registry, place, addr string) error {
	registrar, err := r.registrar(place, addr)
	if err != nil {
		return err
	}
	registrar.Register()
	fmt.Println("registered")
	_, _ = io.Copy(io.Discard, os.Stdin)
	registrar.Deregister()
	return nil
}

func watch(r registry, place string) error {
	instancer, err := r.instancer(place)
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
