package adsumhttp

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// trace watches how far a request got. Its hooks may still run, from other
// goroutines, when the request has ended.
type trace struct {
	asked atomic.Bool // a connection was asked for
	left  atomic.Bool // the server may have seen something of the request
}

// attach watches a request made with the context returned. The caller's own
// trace goes on.
func (t *trace) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// The standard library asks for another connection by itself only
		// when it knows that the one before carried nothing of the
		// request, or that sending it again does no harm.
		GetConn: func(string) {
			t.asked.Store(true)
			t.left.Store(false)
		},
		// Hooks for what is written come too late: by then, the server may
		// have it. With a connection in hand, nothing else is to be waited
		// for before writing.
		GotConn: func(httptrace.GotConnInfo) { t.left.Store(true) },
	})
}
