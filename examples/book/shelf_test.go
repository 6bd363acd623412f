package book_test

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func TestAnUnknownBookIsNotFound(t *testing.T) {
	_, err := book.Shelf{}.GetBookInfo(t.Context(), &bookpb.BookInfoParams{BookId: 3})
	if status.Code(err) != codes.NotFound {
		t.Errorf("got %v, want NotFound", err)
	}
}

func TestTheListComesInPages(t *testing.T) {
	for _, c := range []struct {
		page, limit int32
		want        []int32
	}{
		{0, 0, []int32{1, 2}},
		{1, 10, []int32{1, 2}},
		{1, 1, []int32{1}},
		{2, 1, []int32{2}},
		{3, 1, nil},
		{math.MaxInt32, math.MaxInt32, nil},
	} {
		list, err := book.Shelf{}.GetBookList(t.Context(), &bookpb.BookListParams{Page: c.page, Limit: c.limit})
		if err != nil {
			t.Fatal(err)
		}
		var ids []int32
		for _, b := range list.BookList {
			ids = append(ids, b.BookId)
		}
		if len(ids) != len(c.want) || len(ids) > 0 && ids[0] != c.want[0] {
			t.Errorf("page %d of %d: %v, want %v", c.page, c.limit, ids, c.want)
		}
	}
	_, err := book.Shelf{}.GetBookList(t.Context(), &bookpb.BookListParams{Page: -1})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("page -1: %v, want InvalidArgument", err)
	}
}

func TestARequestIsPrintedInItsShape(t *testing.T) {
	info, err := book.Shelf{}.GetBookInfo(t.Context(), &bookpb.BookInfoParams{BookId: 1})
	if err != nil {
		t.Fatal(err)
	}
	list, err := book.Shelf{}.GetBookList(t.Context(), &bookpb.BookListParams{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := book.Print(&b, "127.0.0.1:50051", info, list); err != nil {
		t.Fatal(err)
	}
	want := `请求服务:  127.0.0.1:50051
获取书籍详情
bookId: 1  =>  bookName: 21天精通php
获取书籍列表
bookId: 1  =>  bookName: 21天精通php
bookId: 2  =>  bookName: 21天精通java
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}
