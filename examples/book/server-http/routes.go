package main

import (
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
)

func routes(shelf book.Shelf) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", adsumhttp.Healthz())
	mux.HandleFunc("GET /books/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
		if err != nil {
			http.Error(w, "the id of a book is a number", http.StatusBadRequest)
			return
		}
		info, err := shelf.GetBookInfo(r.Context(), &bookpb.BookInfoParams{BookId: int32(id)})
		answer(w, info, err)
	})
	mux.HandleFunc("GET /books", func(w http.ResponseWriter, r *http.Request) {
		list, err := shelf.GetBookList(r.Context(), &bookpb.BookListParams{})
		answer(w, list, err)
	})
	return mux
}

// answer writes what the shelf said.
func answer(w http.ResponseWriter, message proto.Message, err error) {
	if err != nil {
		code := http.StatusInternalServerError
		if status.Code(err) == codes.NotFound {
			code = http.StatusNotFound
		}
		http.Error(w, status.Convert(err).Message(), code)
		return
	}
	body, err := protojson.Marshal(message)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}
