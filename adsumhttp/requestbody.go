package adsumhttp

import (
	"io"
	"net/http"
	"sync"
)

// requestBody hands out the body of a request for one try after the other, or for
// two at once if there is more than one body.
type requestBody struct {
	req *http.Request

	mu  sync.Mutex
	own *attempt // the last one on the request's own body; nil at first
}

func (b *requestBody) none() bool { return b.req.Body == nil || b.req.Body == http.NoBody }

// replayable reports whether the body can be sent more than once.
func (b *requestBody) replayable() bool { return b.none() || b.req.GetBody != nil }

// ready reports whether there is a body for another try.
func (b *requestBody) ready() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replayable() || b.own == nil || b.own.untouched()
}

// next returns the body for the next try, nil if there is none: the request's
// own as long as nobody read it, then another copy of it.
func (b *requestBody) next() (*attempt, error) {
	if b.none() {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own == nil || b.own.untouched() {
		b.own = &attempt{body: b.req.Body}
		return b.own, nil
	}
	body, err := b.req.GetBody()
	if err != nil {
		return nil, err
	}
	return &attempt{body: body, last: true}, nil
}

// finish sees to it that the request's own body is closed, as a RoundTripper
// must, once the transport no longer reads it.
func (b *requestBody) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.own != nil {
		b.own.release()
	} else if !b.none() {
		b.req.Body.Close()
	}
}

// attempt is the body of one try. The transport may read it on a goroutine of
// its own until it closes it.
type attempt struct {
	body io.ReadCloser

	mu     sync.Mutex
	read   bool
	closed bool
	last   bool // no other try needs body
}

func (a *attempt) Read(p []byte) (int, error) {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	a.read = true
	a.mu.Unlock()
	return a.body.Read(p)
}

// Close ends the attempt. A body that was not read stays open for another try
// until the attempt is released.
func (a *attempt) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	if a.last || a.read {
		return a.body.Close()
	}
	return nil
}

// untouched reports whether the transport let go of the body without reading.
func (a *attempt) untouched() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed && !a.read
}

// release says that no other try needs the body.
func (a *attempt) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed && !a.read {
		a.body.Close()
	}
	a.last = true
}
