// Package titles is a go-kit service that registers in Consul with a check of
// its own health page, and a go-kit client that finds it there.
package titles

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/go-kit/kit/endpoint"
	kithttp "github.com/go-kit/kit/transport/http"
)

// Service is the name under which every copy registers.
const Service = "titles"

// Request asks for the title of a book.
type Request struct {
	Book int `json:"book"`
}

// Response holds it, and says which copy answered.
type Response struct {
	Title string `json:"title"`
	From  string `json:"from"`
}

var titles = map[int]string{1: "21天精通php", 2: "21天精通java"}

// newEndpoint is the service itself; id names this copy.
func newEndpoint(id string) endpoint.Endpoint {
	return func(_ context.Context, request any) (any, error) {
		asked := request.(Request)
		title, ok := titles[asked.Book]
		if !ok {
			return nil, fmt.Errorf("no book %d", asked.Book)
		}
		return Response{Title: title, From: id}, nil
	}
}

// Copy is one running copy: an [http.Handler] of POST /title and of its health
// page, GET /healthz. PUT /healthz?ill=true makes the page fail, ?ill=false
// pass, for trying out what follows.
type Copy struct {
	routes *http.ServeMux
	ill    atomic.Bool
}

// NewCopy makes a copy of the service, which is well.
func NewCopy(id string) *Copy {
	c := &Copy{routes: http.NewServeMux()}
	c.routes.Handle("POST /title", kithttp.NewServer(newEndpoint(id), decodeRequest, kithttp.EncodeJSONResponse))
	c.routes.HandleFunc("GET /healthz", c.health)
	c.routes.HandleFunc("PUT /healthz", func(_ http.ResponseWriter, r *http.Request) { c.SetIll(r.FormValue("ill") == "true") })
	return c
}

// ServeHTTP implements [http.Handler].
func (c *Copy) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.routes.ServeHTTP(w, r) }

// SetIll decides what the health page says from now on.
func (c *Copy) SetIll(ill bool) { c.ill.Store(ill) }

func (c *Copy) health(w http.ResponseWriter, _ *http.Request) {
	if c.ill.Load() {
		http.Error(w, "ill", http.StatusServiceUnavailable)
	}
}

func decodeRequest(_ context.Context, r *http.Request) (any, error) {
	var request Request
	err := json.NewDecoder(r.Body).Decode(&request)
	return request, err
}
