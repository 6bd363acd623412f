package adsumhttp

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/adsum-go/adsum/lb"
)

const (
	probesMost   = 64 // under way for one service
	probeTimeout = time.Second
	deafFor      = time.Minute // an endpoint that does not answer probes is not asked
)

// asked hangs on an endpoint that was asked for its load.
type asked struct{ deafUntil atomic.Int64 } // nanoseconds since 1970

// probe asks an endpoint for its load; see [lb.Options.Probe].
func (s *service) probe(ep *lb.Endpoint) bool {
	a, ok := ep.Attached().(*asked)
	if !ok {
		a = &asked{}
		ep.Attach(a)
	}
	if until := a.deafUntil.Load(); until > 0 && time.Now().UnixNano() < until {
		return false
	}
	select {
	case s.probing <- struct{}{}:
	default:
		return false
	}
	go func() {
		defer func() { <-s.probing }()
		load, answered := s.ask(ep)
		switch {
		case load.Known:
			s.balancer.Loaded(ep, load)
		case answered:
			a.deafUntil.Store(time.Now().Add(deafFor).UnixNano())
		}
	}()
	return true
}

// ask sends the request of a probe.
func (s *service) ask(ep *lb.Endpoint) (load lb.Load, answered bool) {
	ctx, cancel := context.WithTimeout(s.ctx, probeTimeout)
	defer cancel()
	u := &url.URL{Scheme: "http", Host: ep.Addr(), Path: LoadPath}
	if s.secure(ep) {
		u.Scheme = "https"
	}
	req := (&http.Request{Method: http.MethodGet, URL: u, Host: s.options.host(s.key.service), Header: http.Header{}}).WithContext(ctx)
	resp, err := s.http.RoundTrip(req)
	if err != nil {
		return lb.Load{}, false
	}
	// A short answer is read to its end, so that its connection can be used again.
	io.CopyN(io.Discard, resp.Body, 2<<10)
	resp.Body.Close()
	return loadOf(resp.Header), true
}
