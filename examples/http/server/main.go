// Command server serves the books over HTTP.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/adsum-go/adsum/examples/book"
	bookhttp "github.com/adsum-go/adsum/examples/http"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "host:port to listen on")
	openRegistry := book.RegistryFlag()
	flag.Parse()
	registry, err := openRegistry()
	if err != nil {
		log.Fatal(err)
	}
	defer registry.Close()
	if err := bookhttp.Serve(context.Background(), *listen, registry); err != nil {
		log.Fatal(err)
	}
}
