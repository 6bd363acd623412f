package adsumhttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lifecycle"
)

// Serve serves srv on the open listener, by TLS if srv has a TLSConfig,
// registers the instance once it answers, and blocks until ctx ends, SIGTERM or
// an interrupt arrives, or the server fails. Then it withdraws, goes on
// answering until callers had time to see that, lets the requests that run
// finish within a limit, and stops. See [lifecycle.Run] for the options and
// the errors, and for what happens to an empty Addr. An instance that speaks
// TLS and names no "http" or "https" endpoint gets the latter, so that nobody
// calls it in clear.
//
// Requests end when their callers no longer wait; see [DeadlineHandler]. From the
// withdrawal on, every answer asks the caller to give up its
// connection. For this Serve wraps srv.Handler; set it before.
//
// Connections that were hijacked, such as WebSockets, are not waited for; see
// [http.Server.RegisterOnShutdown].
func Serve(ctx context.Context, srv *http.Server, listener net.Listener, registry adsum.Registry, in adsum.Instance, opts ...lifecycle.Option) error {
	if srv.TLSConfig != nil && in.Endpoints["http"] == "" && in.Endpoints["https"] == "" {
		in = in.Clone()
		if in.Endpoints == nil {
			in.Endpoints = map[string]string{}
		}
		in.Endpoints["https"] = in.Addr // empty: lifecycle.Run fills in both
	}
	return lifecycle.Run(ctx, newServer(srv, listener), registry, in, opts...)
}

// server makes an HTTP server one that has a lifecycle.
type server struct {
	*http.Server
	listener net.Listener
	leaving  atomic.Bool
}

var _ lifecycle.Server = (*server)(nil)

func newServer(srv *http.Server, listener net.Listener) *server {
	s := &server{Server: srv, listener: listener}
	next := srv.Handler
	if next == nil {
		next = http.DefaultServeMux
	}
	next = DeadlineHandler(next, 0)
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			// Closes the connection after this answer in HTTP/1, and
			// says GOAWAY in HTTP/2. Closing idle ones here would
			// race with requests on their way.
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
	return s
}

func (s *server) Addr() net.Addr { return s.listener.Addr() }

func (s *server) Serve() error {
	err := s.serve()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *server) serve() error {
	if s.TLSConfig != nil {
		return s.Server.ServeTLS(s.listener, "", "")
	}
	return s.Server.Serve(s.listener)
}

func (s *server) SetServing(serving bool) { s.leaving.Store(!serving) }

// Close closes the listener as well, which the [http.Server] does not know of
// before it served.
func (s *server) Close() error {
	err := s.Server.Close()
	s.listener.Close()
	return err
}
