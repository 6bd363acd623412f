// Command client-http asks for books over HTTP, by the name of the service.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lb"
)

func main() {
	requests := flag.Int("calls", 8, "how many requests to make")
	openRegistry := book.RegistryFlag()
	flag.Parse()
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

	transport := adsumhttp.NewTransport(dir)
	defer transport.Close()
	web := &http.Client{Transport: transport}
	for i := range requests {
		if err := request(ctx, web); err != nil {
			return fmt.Errorf("request %d: %w", i+1, err)
		}
	}
	return nil
}

// request asks one copy twice.
func request(ctx context.Context, web *http.Client) error {
	ctx, cancel := context.WithTimeout(lb.Pin(ctx), 3*time.Second)
	defer cancel()
	var info bookpb.BookInfo
	addr, err := get(ctx, web, "/books/1", &info)
	if err != nil {
		return err
	}
	var list bookpb.BookList
	if _, err := get(ctx, web, "/books", &list); err != nil {
		return err
	}
	return book.Print(os.Stdout, addr, &info, &list)
}

// get returns the copy that answered.
func get(ctx context.Context, web *http.Client, path string, answer proto.Message) (addr string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+book.WebService+path, nil)
	if err != nil {
		return "", err
	}
	response, err := web.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, body)
	}
	return adsumhttp.EndpointOf(response).Addr(), protojson.Unmarshal(body, answer)
}
