package main

import (
	"context"

	kitgrpc "github.com/go-kit/kit/transport/grpc"

	"github.com/adsum-go/adsum/examples/book/bookpb"
)

// transport serves endpoints by gRPC.
type transport struct {
	bookpb.UnimplementedBookServiceServer
	info, list kitgrpc.Handler
}

func newTransport(e endpoints) *transport {
	return &transport{
		info: kitgrpc.NewServer(e.info, asItIs, asItIs),
		list: kitgrpc.NewServer(e.list, asItIs, asItIs),
	}
}

// asItIs decodes and encodes: the service speaks in the messages themselves.
func asItIs(_ context.Context, message any) (any, error) { return message, nil }

func (t *transport) GetBookInfo(ctx context.Context, params *bookpb.BookInfoParams) (*bookpb.BookInfo, error) {
	_, reply, err := t.info.ServeGRPC(ctx, params)
	if err != nil {
		return nil, err
	}
	return reply.(*bookpb.BookInfo), nil
}

func (t *transport) GetBookList(ctx context.Context, params *bookpb.BookListParams) (*bookpb.BookList, error) {
	_, reply, err := t.list.ServeGRPC(ctx, params)
	if err != nil {
		return nil, err
	}
	return reply.(*bookpb.BookList), nil
}
