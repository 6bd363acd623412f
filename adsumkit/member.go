package adsumkit

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/go-kit/kit/endpoint"
)

// member is one instance's go-kit endpoint with the closer that the factory
// made for it. The closer runs once the instance is gone and the last call
// that is under way has ended.
type member struct {
	addr     string // where it is called
	text     string // what the factory got
	call     endpoint.Endpoint
	kept     endpoint.Endpoint // call, for those who may use it after the closer ran
	closer   io.Closer         // may be nil
	onClosed func(error)
	holders  atomic.Int64 // the endpointer, until retired, and every call under way
}

func newMember(addr, text string, call endpoint.Endpoint, closer io.Closer, onClosed func(error)) *member {
	m := &member{addr: addr, text: text, call: call, closer: closer, onClosed: onClosed}
	m.holders.Store(1)
	return m
}

// acquire takes hold of the member for one call. It reports false when the
// member was closed already.
func (m *member) acquire() bool {
	for {
		n := m.holders.Load()
		if n == 0 {
			return false
		}
		if m.holders.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives back one hold. The last one closes.
func (m *member) release() {
	if m.holders.Add(-1) == 0 && m.closer != nil {
		m.onClosed(m.closer.Close())
	}
}

// invoke calls the endpoint of a member that was acquired, and releases it
// however the call ends.
func (m *member) invoke(ctx context.Context, request any) (any, error) {
	defer m.release()
	return m.call(ctx, request)
}
