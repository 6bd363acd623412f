// Package book is the service that the programs beside it serve and call: a
// shelf of two books, what a client prints, and the registries they can use.
package book

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/examples/book/bookpb"
)

// Service is the name under which every server registers.
const Service = "book"

// defaultLimit is how many books a page has if the caller does not say.
const defaultLimit = 10

// books are in the order of their ids.
var books = []*bookpb.BookInfo{
	{BookId: 1, BookName: "21天精通php"},
	{BookId: 2, BookName: "21天精通java"},
}

// Shelf serves the books.
type Shelf struct {
	bookpb.UnimplementedBookServiceServer
}

// GetBookInfo returns one book, or NotFound.
func (Shelf) GetBookInfo(_ context.Context, params *bookpb.BookInfoParams) (*bookpb.BookInfo, error) {
	for _, b := range books {
		if b.BookId == params.BookId {
			return b, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is no book %d", params.BookId)
}

// GetBookList returns one page of the books.
func (Shelf) GetBookList(_ context.Context, params *bookpb.BookListParams) (*bookpb.BookList, error) {
	if params.Page < 0 || params.Limit < 0 {
		return nil, status.Error(codes.InvalidArgument, "page and limit cannot be negative")
	}
	limit := int64(params.Limit)
	if limit == 0 {
		limit = defaultLimit
	}
	from := (int64(max(params.Page, 1)) - 1) * limit // in int64: the largest page is no overflow
	from = min(from, int64(len(books)))
	to := min(from+limit, int64(len(books)))
	return &bookpb.BookList{BookList: books[from:to]}, nil
}
