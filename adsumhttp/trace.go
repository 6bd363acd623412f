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
		GetConn: func(string) { t.asked.Store(true) },
		// The standard library sends a request once more by itself only
		// when it knows that the first connection carried nothing of it,
		// or that this does no harm.
		GotConn: func(httptrace.GotConnInfo) { t.left.Store(false) },
		// WroteHeaders would come too late: the server may have them then.
		WroteHeaderField: func(string, []string) { t.left.Store(true) },
	})
}
