package adsumhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// ErrNotService says that the host of a URL is not the name of a service.
var ErrNotService = errors.New("not the name of a service")

// Transport is an [http.RoundTripper] that calls services by their names. Make
// one for a program and close it at the end. All methods are safe for
// concurrent use.
type Transport struct {
	dir     *adsum.Directory
	options options

	mu       sync.Mutex
	services map[key]*service
	closed   bool
	leaving  sync.WaitGroup // services being let go
}

// key tells apart what has endpoints of its own.
type key struct{ service, scheme string }

var _ http.RoundTripper = (*Transport)(nil)

// NewTransport makes a Transport on the directory, which stays the caller's to
// close. It does no I/O.
func NewTransport(dir *adsum.Directory, opts ...Option) *Transport {
	return &Transport{dir: dir, options: newOptions(opts), services: map[key]*service{}}
}

// RoundTrip sends the request to a copy of the service that its URL names. The
// first request to a service waits, within its context, until something is
// known of the service; later ones never wait for the registry.
//
// It fails with [ErrNotService], with [lb.ErrNoEndpoint] when there is nobody
// to call, with what [adsum.Directory.Open] and [adsum.View.Ready] fail with,
// with [adsum.ErrClosed], or with an [*lb.TriesError] that names every try.
// The response's request is req, with a context that tells [EndpointOf].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	s, err := t.acquire(req.URL)
	if errors.Is(err, ErrNotService) && t.options.base != nil {
		return t.options.base.RoundTrip(req)
	}
	if err != nil {
		closeBody(req)
		return nil, err
	}
	defer t.release(s)
	call := lb.NewCall(req.Context())
	start := s.client.Begin()
	resp, err := s.roundTrip(req, call)
	s.client.End(req.Context(), start, call, ended(req, resp, err))
	return resp, err
}

// acquire returns the service that the URL names, which stays until it is
// released.
func (t *Transport) acquire(u *url.URL) (*service, error) {
	if u == nil {
		return nil, fmt.Errorf("%w: the request has no URL", ErrNotService)
	}
	k := key{u.Host, u.Scheme}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.services[k] == nil {
		if err := t.open(k); err != nil {
			return nil, err
		}
	}
	s := t.services[k]
	s.users++
	return s, nil
}

// open begins with a service. The caller holds mu.
func (t *Transport) open(k key) error {
	if err := t.validate(k); err != nil {
		return err
	}
	if t.closed {
		return fmt.Errorf("call %s: transport %w", k.service, adsum.ErrClosed)
	}
	view, err := t.dir.Open(k.service)
	if err != nil {
		return err
	}
	t.services[k] = newService(k, view, &t.options)
	return nil
}

// validate reports what keeps a URL from naming a service.
func (t *Transport) validate(k key) error {
	if k.scheme != "http" && k.scheme != "https" {
		return fmt.Errorf("%w: scheme %q with host %q; use http or https", ErrNotService, k.scheme, k.service)
	}
	if err := adsum.ValidateService(k.service); err != nil {
		return fmt.Errorf("%w: host %q: %w", ErrNotService, k.service, err)
	}
	if _, err := netip.ParseAddr(k.service); err == nil {
		return fmt.Errorf("%w: host %q is an address", ErrNotService, k.service)
	}
	if t.options.base != nil && strings.Contains(k.service, ".") {
		return fmt.Errorf("%w: host %q has a dot", ErrNotService, k.service)
	}
	return nil
}

// release lets the service go once nobody used it for the idle time. One timer
// a service looks after that; calls only say when they were.
func (t *Transport) release(s *service) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.users--
	s.usedAt = time.Now()
	if s.idle == nil && !t.closed {
		s.idle = time.AfterFunc(t.options.idleTimeout, func() { t.letGo(s) })
	}
}

func (t *Transport) letGo(s *service) {
	t.mu.Lock()
	left := t.options.idleTimeout - time.Since(s.usedAt)
	if t.closed || s.users > 0 || left > 0 {
		if !t.closed {
			s.idle.Reset(max(left, t.options.idleTimeout/10))
		}
		t.mu.Unlock()
		return
	}
	delete(t.services, s.key)
	t.leaving.Add(1)
	t.mu.Unlock()
	s.close()
	t.leaving.Done()
}

// CloseIdleConnections closes the connections that no request uses, those of
// the base transport as well.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.services {
		s.http.CloseIdleConnections()
	}
	if base, ok := t.options.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// Close lets all services go and closes their idle connections; requests under
// way go on, new ones fail with [adsum.ErrClosed]. It leaves the directory and
// the base transport open. A second call returns nil.
func (t *Transport) Close() error {
	t.mu.Lock()
	services := t.services
	t.services, t.closed = nil, true
	t.mu.Unlock()
	for _, s := range services {
		if s.idle != nil {
			s.idle.Stop()
		}
		s.close()
	}
	t.leaving.Wait()
	return nil
}

// EndpointOf returns the endpoint that answered, or nil if the response did
// not come from a service.
func EndpointOf(resp *http.Response) *lb.Endpoint {
	if resp.Request == nil {
		return nil
	}
	ep, _ := resp.Request.Context().Value(endpointKey{}).(*lb.Endpoint)
	return ep
}

type endpointKey struct{}

func withEndpoint(req *http.Request, ep *lb.Endpoint) *http.Request {
	return req.WithContext(context.WithValue(req.Context(), endpointKey{}, ep))
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
