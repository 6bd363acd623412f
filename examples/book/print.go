package book

import (
	"fmt"
	"io"
	"strings"

	"github.com/adsum-go/adsum/examples/book/bookpb"
)

// Print writes what came of one request: which copy answered it, the book
// asked for, and the list.
func Print(w io.Writer, addr string, info *bookpb.BookInfo, list *bookpb.BookList) error {
	var b strings.Builder
	fmt.Fprintf(&b, "请求服务:  %s\n", addr)
	fmt.Fprintln(&b, "获取书籍详情")
	printBook(&b, info)
	fmt.Fprintln(&b, "获取书籍列表")
	for _, info := range list.GetBookList() {
		printBook(&b, info)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printBook(w io.Writer, info *bookpb.BookInfo) {
	fmt.Fprintf(w, "bookId: %d  =>  bookName: %s\n", info.GetBookId(), info.GetBookName())
}
