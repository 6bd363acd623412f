// Command server-http serves the books over HTTP, as JSON.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/examples/book"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "host:port to listen on")
	openRegistry := book.RegistryFlag()
	flag.Parse()
	if err := serve(*listen, openRegistry); err != nil {
		log.Fatal(err)
	}
}

func serve(listen string, openRegistry func() (adsum.Registry, error)) error {
	registry, err := openRegistry()
	if err != nil {
		return err
	}
	defer registry.Close()

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(book.Shelf{})}
	return adsumhttp.Serve(context.Background(), server, listener, registry, adsum.Instance{Service: book.WebService})
}
