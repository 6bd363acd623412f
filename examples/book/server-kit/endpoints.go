package main

import (
	"context"

	"github.com/go-kit/kit/endpoint"

	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
)

// endpoints are the methods of the service as go-kit sees them: where its
// middlewares for limits, metrics and logs go.
type endpoints struct {
	info, list endpoint.Endpoint
}

func newEndpoints(shelf book.Shelf) endpoints {
	return endpoints{
		info: func(ctx context.Context, request any) (any, error) {
			return shelf.GetBookInfo(ctx, request.(*bookpb.BookInfoParams))
		},
		list: func(ctx context.Context, request any) (any, error) {
			return shelf.GetBookList(ctx, request.(*bookpb.BookListParams))
		},
	}
}
