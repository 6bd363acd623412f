// Package bookhttp is the book service over HTTP: what the server and the
// client beside it do.
package bookhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/health"
	"github.com/adsum-go/adsum/lifecycle"
)

// Service is the name under which every server registers.
const Service = "book-http"

// Serve serves the books on the address until ctx ends or a signal arrives.
// The copy is offered to callers once its own health page says that it is
// well, and for as long.
func Serve(ctx context.Context, listen string, registry adsum.Registry, opts ...lifecycle.Option) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &server{}
	mux := server.routes()
	checker, err := health.Start([]health.Check{{
		Name:     "page",
		Probe:    health.HTTP{URL: "http://" + listener.Addr().String() + "/healthz"},
		Interval: time.Second,
	}})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer checker.Close()
	attach := lifecycle.OnRegister(func(r *adsum.Registration) {
		checker.Attach(r)
		mux.Handle("GET /readyz", adsumhttp.Readyz(adsumhttp.Registered(r), adsumhttp.Passes("health", checker.Ready)))
	})
	return adsumhttp.Serve(ctx, &http.Server{Handler: mux}, listener, registry,
		adsum.Instance{Service: Service, Status: adsum.Starting}, append(opts, attach)...)
}

// server answers with the books, as JSON.
type server struct {
	shelf book.Shelf
	sick  atomic.Bool
}

func (s *server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /info/{id}", s.info)
	mux.HandleFunc("GET /list", s.list)
	mux.HandleFunc("GET /healthz", s.healthz)
	// To see what callers make of a copy that is not well.
	mux.HandleFunc("POST /sick", func(http.ResponseWriter, *http.Request) { s.sick.Store(true) })
	mux.HandleFunc("POST /well", func(http.ResponseWriter, *http.Request) { s.sick.Store(false) })
	return mux
}

func (s *server) info(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 32)
	if err != nil {
		http.Error(w, "the id of a book is a number", http.StatusBadRequest)
		return
	}
	info, err := s.shelf.GetBookInfo(r.Context(), &bookpb.BookInfoParams{BookId: int32(id)})
	answer(w, info, err)
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	list, err := s.shelf.GetBookList(r.Context(), &bookpb.BookListParams{})
	answer(w, list, err)
}

func (s *server) healthz(w http.ResponseWriter, r *http.Request) {
	if s.sick.Load() {
		http.Error(w, "somebody posted to /sick", http.StatusServiceUnavailable)
	}
}

func answer(w http.ResponseWriter, message proto.Message, err error) {
	switch status.Code(err) {
	case codes.OK:
	case codes.NotFound:
		http.Error(w, status.Convert(err).Message(), http.StatusNotFound)
		return
	default:
		http.Error(w, status.Convert(err).Message(), http.StatusInternalServerError)
		return
	}
	body, err := protojson.Marshal(message)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a caller that went away is no concern of ours
}
