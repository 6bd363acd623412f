// Command client-grpc calls the book service with plain gRPC.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lb"
)

func main() {
	requests := flag.Int("calls", 8, "how many requests to make")
	openRegistry := book.RegistryFlag()
	book.ParseFlags()
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

	conn, err := adsumgrpc.NewClient(dir, book.Service,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		adsumgrpc.WithPolicy(lb.RoundRobin)) // to see requests alternate; the default prefers the faster copy
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := waitConnected(ctx, conn); err != nil {
		return err
	}
	client := bookpb.NewBookServiceClient(conn)
	for i := range requests {
		if err := request(ctx, client); err != nil {
			return fmt.Errorf("request %d: %w", i+1, err)
		}
	}
	return nil
}

// waitConnected lets the first request already rotate over all copies, not
// over those that answered first.
func waitConnected(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return adsumgrpc.WaitConnected(ctx, conn)
}

// request makes two calls to one copy.
func request(ctx context.Context, client bookpb.BookServiceClient) error {
	ctx, cancel := context.WithTimeout(adsumgrpc.Pin(ctx), 3*time.Second)
	defer cancel()
	var copy adsum.Instance
	info, err := client.GetBookInfo(ctx, &bookpb.BookInfoParams{BookId: 1}, adsumgrpc.Answered(&copy))
	if err != nil {
		return err
	}
	list, err := client.GetBookList(ctx, &bookpb.BookListParams{Page: 1, Limit: 10})
	if err != nil {
		return err
	}
	return book.Print(os.Stdout, copy.Addr, info, list)
}
