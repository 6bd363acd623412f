package main

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/go-kit/kit/endpoint"
	kitgrpc "github.com/go-kit/kit/transport/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// query is what one request asks for, and answer what it gets.
type (
	query struct{ bookID, page, limit int32 }

	answer struct {
		addr string // the copy that answered
		info *bookpb.BookInfo
		list *bookpb.BookList
	}
)

// dialer makes the endpoint of each copy, over a connection of its own.
type dialer struct {
	mu    sync.Mutex
	conns []*grpc.ClientConn
}

// factory is go-kit's sd.Factory. Both calls of a request are inside the
// endpoint, so they go to one copy.
func (d *dialer) factory(addr string) (endpoint.Endpoint, io.Closer, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	conn.Connect()
	d.mu.Lock()
	d.conns = append(d.conns, conn)
	d.mu.Unlock()

	info := kitgrpc.NewClient(conn, "book.BookService", "GetBookInfo", encodeInfo, asItIs, bookpb.BookInfo{}).Endpoint()
	list := kitgrpc.NewClient(conn, "book.BookService", "GetBookList", encodeList, asItIs, bookpb.BookList{}).Endpoint()
	both := func(ctx context.Context, request any) (any, error) {
		i, err := info(ctx, request)
		if err != nil {
			return nil, err
		}
		l, err := list(ctx, request)
		if err != nil {
			return nil, err
		}
		return answer{addr, i.(*bookpb.BookInfo), l.(*bookpb.BookList)}, nil
	}
	return both, conn, nil
}

func encodeInfo(_ context.Context, request any) (any, error) {
	return &bookpb.BookInfoParams{BookId: request.(query).bookID}, nil
}

func encodeList(_ context.Context, request any) (any, error) {
	q := request.(query)
	return &bookpb.BookListParams{Page: q.page, Limit: q.limit}, nil
}

func asItIs(_ context.Context, message any) (any, error) { return message, nil }

// waitConnected waits until every copy known by now is connected, or turned
// out not to be reachable, and for no longer than the limit: calls can begin
// in any case.
func (d *dialer) waitConnected(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d.mu.Lock()
	conns := d.conns
	d.mu.Unlock()
	for _, conn := range conns {
		state := conn.GetState()
		for state == connectivity.Idle || state == connectivity.Connecting {
			if !conn.WaitForStateChange(ctx, state) {
				return
			}
			state = conn.GetState()
		}
	}
}
