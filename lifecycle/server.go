package lifecycle

import (
	"context"
	"net"
)

// Server is what a lifecycle runs: a server of any protocol whose listener is
// already open, so that whoever calls it early waits instead of being refused.
//
// Its methods are called from several goroutines, each of them once, except
// SetServing.
type Server interface {
	// Addr is where the server listens.
	Addr() net.Addr
	// Serve answers calls and blocks until the server was stopped, when it
	// returns nil, or until it cannot go on.
	Serve() error
	// SetServing tells those who ask about the server's health whether to
	// send new calls. It does not block, and stops nothing.
	SetServing(serving bool)
	// Shutdown takes no new calls and waits for those that run, until ctx
	// ends; it then returns the context's error.
	Shutdown(ctx context.Context) error
	// Close stops at once, and cuts off the calls that run.
	Close() error
}
