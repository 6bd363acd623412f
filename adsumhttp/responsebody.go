package adsumhttp

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// responseBody tells when the answer was read to its end, broke off, or was
// closed, whichever comes first.
type responseBody struct {
	io.ReadCloser
	once   sync.Once
	done   func(error) // nil for an end, else why it broke off
	closed atomic.Bool // by the caller, perhaps to stop who reads
}

// newResponseBody wraps the body of an answer. That of a switched protocol can
// be written as well.
func newResponseBody(body io.ReadCloser, done func(error)) io.ReadCloser {
	if body == http.NoBody {
		done(nil)
		return body
	}
	b := &responseBody{ReadCloser: body, done: done}
	if w, ok := body.(io.Writer); ok {
		return struct {
			*responseBody
			io.Writer
		}{b, w}
	}
	return b
}

func (b *responseBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF, err != nil && b.closed.Load():
		b.once.Do(func() { b.done(nil) })
	case err != nil:
		b.once.Do(func() { b.done(err) })
	}
	return n, err
}

func (b *responseBody) Close() error {
	b.closed.Store(true)
	err := b.ReadCloser.Close()
	b.once.Do(func() { b.done(nil) })
	return err
}
