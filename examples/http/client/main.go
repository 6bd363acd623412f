// Command client asks the book service over HTTP.
package main

import (
	"context"
	"flag"
	"log"
	"os"

	"github.com/adsum-go/adsum/examples/book"
	bookhttp "github.com/adsum-go/adsum/examples/http"
)

func main() {
	requests := flag.Int("calls", 8, "how many requests to make")
	openRegistry := book.RegistryFlag()
	flag.Parse()
	registry, err := openRegistry()
	if err != nil {
		log.Fatal(err)
	}
	defer registry.Close()
	if err := bookhttp.Ask(context.Background(), os.Stdout, registry, *requests); err != nil {
		log.Fatal(err)
	}
}
