// Command server runs one copy of the titles and keeps it in Consul until
// Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	titles "github.com/adsum-go/adsum/examples/consul"
)

func main() {
	agent := flag.String("agent", "127.0.0.1:8500", "host:port of the Consul agent")
	id := flag.String("id", "titles-1", "this copy's id")
	listen := flag.String("listen", "127.0.0.1:8081", "host:port to listen on and to be called at")
	tag := flag.String("tag", "v1", "this copy's tag")
	flag.Parse()
	if err := run(*agent, *id, *listen, *tag); err != nil {
		log.Fatal(err)
	}
}

func run(agent, id, listen, tag string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	registry, err := titles.Open(agent)
	if err != nil {
		return err
	}
	defer registry.Close()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	registrar, err := titles.NewRegistrar(registry, id, listener.Addr().String(), tag)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: titles.NewCopy(id)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	registrar.Register()
	log.Printf("%s serves at http://%s; Ctrl-C deregisters", id, listener.Addr())
	select {
	case err := <-served:
		return errors.Join(err, registrar.Close(context.Background()))
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(registrar.Close(bound), server.Shutdown(bound))
}
