package lb

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Call is what a pick may depend on. A nil Call is a first try without a key.
// A Call belongs to one call, and is used by one try at a time.
type Call struct {
	// Key is what hashing policies go by.
	Key string
	// Idempotent says that the call may be sent more than once.
	Idempotent bool
	tries      uint16 // by Retry
	hedged     atomic.Bool
	won        bool // by a second try; for the goroutine that called, as tries are
	denied     bool // a second try, for want of a budget
	// Tried are the endpoints that this call went to before. They are
	// avoided while another is left.
	Tried []*Endpoint

	pin    *pin
	hedge  *Hedge                   // of a second try beside the first one, else nil
	sent   bool                     // the hedge has counted it
	lone   bool                     // there was no other endpoint for it
	also   *Endpoint                // that of a second try which failed as well
	picked atomic.Pointer[Endpoint] // by the last pick; others may look while it runs
}

// NewCall starts a call with what ctx asks for by [Pin] and [WithKey].
func NewCall(ctx context.Context) *Call {
	h := hintsOf(ctx)
	return &Call{Key: h.key, pin: h.pin}
}

// Avoids reports whether the call should go to another endpoint than ep.
func (c *Call) Avoids(ep *Endpoint) bool { return c != nil && slices.Contains(c.Tried, ep) }

// Endpoint is the one that the last pick chose for this call, nil before.
func (c *Call) Endpoint() *Endpoint { return c.picked.Load() }

// Tries is how often [Retry] tried the call, at least 1. It is for the goroutine
// that called.
func (c *Call) Tries() int { return max(int(c.tries), 1) }

// Hedged reports whether the call was sent a second time while the first try
// was under way; see [Hedged].
func (c *Call) Hedged() bool { return c.hedged.Load() }

// beside takes note that ep was picked for a second try beside the first one. It
// reports false if that has the call already.
func (c *Call) beside(ep *Endpoint) bool {
	if c.Avoids(ep) {
		c.picked.Store(nil)
		c.lone = true
		return false
	}
	if !c.sent {
		c.sent = true
		c.hedge.counters().sent.Add(1)
	}
	return true
}

// Pin returns a context whose calls go to one copy of each service: the one
// that the first call was sent to, while it is there and has not failed the
// call at hand; then another, to which later calls keep.
func Pin(ctx context.Context) context.Context {
	h := hintsOf(ctx)
	h.pin = &pin{ids: map[string]string{}}
	return context.WithValue(ctx, hintsKey{}, h)
}

// WithKey returns a context whose calls carry the key that hashing policies
// go by.
func WithKey(ctx context.Context, key string) context.Context {
	h := hintsOf(ctx)
	h.key = key
	return context.WithValue(ctx, hintsKey{}, h)
}

// WithCall returns a context that carries a call from where it starts (an
// interceptor) to where it is picked for ([CallFrom]).
func WithCall(ctx context.Context, call *Call) context.Context {
	return context.WithValue(ctx, callKey{}, call)
}

// CallFrom returns the call that ctx carries; else a new one if ctx asks for
// something by [Pin] or [WithKey]; else nil.
func CallFrom(ctx context.Context) *Call {
	if call, ok := ctx.Value(callKey{}).(*Call); ok {
		return call
	}
	if _, ok := ctx.Value(hintsKey{}).(hints); ok {
		return NewCall(ctx)
	}
	return nil
}

type (
	callKey  struct{}
	hintsKey struct{}
)

// hints are what a caller asks for, for every call made with a context.
type hints struct {
	key string
	pin *pin
}

func hintsOf(ctx context.Context) hints {
	h, _ := ctx.Value(hintsKey{}).(hints)
	return h
}

// pin remembers the copy of each service that calls keep to.
type pin struct {
	mu  sync.Mutex
	ids map[string]string // by service
}

func (p *pin) get(service string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ids[service]
}

// move lets calls keep to another copy, unless somebody else moved the pin
// since it was read: then theirs holds.
func (p *pin) move(service, from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ids[service] == from {
		p.ids[service] = to
	}
}
