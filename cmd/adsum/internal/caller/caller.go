// Package caller calls services that this program was not compiled for: over
// gRPC with descriptors found at run time, or over HTTP. Calls go through the
// engine that programs use, and say which copy answered.
package caller

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// ErrRequest says that the call itself makes no sense: a header or a message
// that cannot be read. Nothing was sent.
var ErrRequest = errors.New("bad request")

// Caller makes one call over and over. Its methods are safe for concurrent
// use.
type Caller interface {
	// Call makes the call once, within ctx.
	Call(ctx context.Context) Answer
	// Connect waits until the copies that can be reached are connected, so
	// that the first calls already spread over all of them.
	Connect(ctx context.Context) error
	Close() error
}

// Answer is how one call ended.
type Answer struct {
	// Copy is who answered, or failed to; zero if nobody could be called.
	Copy adsum.Instance
	// Status is gRPC's name of the code or HTTP's number, "" if no answer came.
	Status string
	// Messages are what came back: JSON over gRPC, the one body over HTTP.
	Messages [][]byte
	// Streams tells that there may be any number of them.
	Streams bool
	// Err is why the call counts as failed.
	Err  error
	Took time.Duration
}

// Config is what both transports need to know.
type Config struct {
	Service string
	Policy  lb.Policy
	Retry   lb.Retry
	Hedge   *lb.Hedge // nil for none
	// Live is in place of Policy, Retry and Hedge, if not nil.
	Live *lb.Live
	// Key is what hashing policies go by; "" is none.
	Key string
	// Idempotent says that the call may be sent more than once, whatever
	// its method says of itself.
	Idempotent bool
	// TLS secures the connections; nil is in clear.
	TLS *tls.Config
	// ServerName is what the certificates must carry; "" is the service's name.
	ServerName string
	// Headers are sent along, each "Name: value".
	Headers []string
	// Body is what is sent: JSON over gRPC, where several values are the
	// messages of a stream, anything over HTTP.
	Body []byte
	// Observer is told of the calls; may be nil.
	Observer lb.ClientObserver
	// Discard leaves [Answer.Messages] out.
	Discard bool
}

// context adds the key that the call is made with.
func (c *Config) context(ctx context.Context) context.Context {
	if c.Key == "" {
		return ctx
	}
	return lb.WithKey(ctx, c.Key)
}

// PolicyName is the name of the policy that calls go by now.
func (c *Config) PolicyName() string {
	if c.Live != nil {
		return c.Live.Policy().Name()
	}
	return c.Policy.Name()
}
