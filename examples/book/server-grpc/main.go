// Command server-grpc serves the book service with plain gRPC.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lifecycle"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:50051", "host:port to listen on")
	ttl := book.TTLFlag()
	openRegistry := book.RegistryFlag()
	book.ParseFlags()
	if err := serve(*listen, *ttl, openRegistry); err != nil {
		log.Fatal(err)
	}
}

func serve(listen string, ttl time.Duration, openRegistry func() (adsum.Registry, error)) error {
	registry, err := openRegistry()
	if err != nil {
		return err
	}
	defer registry.Close()

	server := grpc.NewServer()
	bookpb.RegisterBookServiceServer(server, book.Shelf{})
	reflection.Register(server) // for tools such as 'adsum call'

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return adsumgrpc.Serve(context.Background(), server, listener, registry, adsum.Instance{Service: book.Service},
		lifecycle.WithRegister(adsum.WithTTL(ttl)))
}
