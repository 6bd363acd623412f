package examples_test

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/etcd"
	book "github.com/adsum-go/adsum/examples/book/bookpb"
)

// The code of the READMEs, word for word: a test at the root of the repository
// compares them. They have no output because they need a registry to run.

func Example_server() {
	serve := func(ctx context.Context, books book.BookServiceServer) error {
		registry, err := etcd.Open("etcd://127.0.0.1:2379/services")
		if err != nil {
			return err
		}
		defer registry.Close()

		server := grpc.NewServer()
		book.RegisterBookServiceServer(server, books)

		listener, err := net.Listen("tcp", ":50051")
		if err != nil {
			return err
		}
		return adsumgrpc.Serve(ctx, server, listener, registry, adsum.Instance{Service: "book"})
	}
	_ = serve
}

func Example_web() {
	ask := func(dir *adsum.Directory) error {
		web := &http.Client{Transport: adsumhttp.NewTransport(dir)}
		response, err := web.Get("http://book/list")
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	_ = ask
}

func Example_client() {
	ask := func(ctx context.Context) error {
		registry, err := etcd.Open("etcd://127.0.0.1:2379/services")
		if err != nil {
			return err
		}
		defer registry.Close()
		dir := adsum.NewDirectory(registry, adsum.WithCache("/var/cache/shop"))
		defer dir.Close()

		conn, err := adsumgrpc.NewClient(dir, "book", grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer conn.Close()
		info, err := book.NewBookServiceClient(conn).GetBookInfo(ctx, &book.BookInfoParams{BookId: 1})
		if err != nil {
			return err
		}
		fmt.Println(info.GetBookName())
		return nil
	}
	_ = ask
}
