// Command server-kit serves the book service with go-kit.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os/signal"
	"syscall"
	"time"

	kitgrpc "github.com/go-kit/kit/transport/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lifecycle"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:50051", "host:port to listen on")
	ttl := book.TTLFlag()
	openRegistry := book.RegistryFlag()
	book.ParseFlags()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen, *ttl, openRegistry); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, listen string, ttl time.Duration, openRegistry func() (adsum.Registry, error)) error {
	registry, err := openRegistry()
	if err != nil {
		return err
	}
	defer registry.Close()

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	addr, why, err := adsum.AdvertiseAddr(listener.Addr().String())
	if err != nil {
		return err
	}
	log.Printf("serving on %s, advertising %s: %s", listener.Addr(), addr, why)
	registrar, err := adsumkit.NewRegistrar(registry, adsum.Instance{Service: book.Service, Addr: addr}, adsum.WithTTL(ttl))
	if err != nil {
		return err
	}

	server := grpc.NewServer(grpc.UnaryInterceptor(kitgrpc.Interceptor))
	bookpb.RegisterBookServiceServer(server, newTransport(newEndpoints(book.Shelf{})))
	reflection.Register(server) // for tools such as 'adsum call'
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	registrar.Register()

	select {
	case err := <-failed:
		registrar.Deregister()
		return err
	case <-ctx.Done():
	}
	// Go the way one came: first from the registry, then, when callers had
	// time to see that, from the network.
	registrar.Deregister()
	time.Sleep(lifecycle.DrainDelay(registry.Capabilities()))
	server.GracefulStop()
	return nil
}
