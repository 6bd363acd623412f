package adsumgrpc

import (
	"context"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/lb"
)

// call is one call on its way. It is its own context, by which it gets from
// the interceptor, where it starts, to the picker, which has the last word of
// every try.
type call struct {
	context.Context
	*lb.Call
	trailer metadata.MD // of the last try that failed
	beside  bool        // the second of two that run at once
	limited error       // why nobody could be called for now
	pace    *pace       // of a stream
}

type callKey struct{}

// newCall starts a call of a method.
func (s *settings) newCall(ctx context.Context, method string) *call {
	c := &call{Context: ctx, Call: lb.NewCall(ctx)}
	c.Idempotent = s.isIdempotent(method)
	return c
}

// Value is the context's, and the call itself for whoever asks for that.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// callOf returns the call that ctx carries, or nil.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// pickBy is what the engine picks by.
func (c *call) pickBy() *lb.Call {
	if c == nil {
		return nil
	}
	return c.Call
}

// refused is the error of a pick that found copies and was given none. A limit
// ends every call at once, and a second try ends, too; other calls that want to
// wait for somebody wait.
func (c *call) refused(err error) error {
	if errors.Is(err, lb.ErrLimited) {
		if c != nil {
			c.limited = err
		}
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	if c != nil && c.beside {
		return status.Error(codes.Unavailable, err.Error())
	}
	return err
}

// unwrapping makes an error that comes of a limit one of lb.ErrLimited, too, which
// gRPC has made a status of.
func (c *call) unwrapping(err error) error {
	if err == nil || c.limited == nil || c.Endpoint() != nil {
		return err
	}
	return &limitedError{err, c.limited}
}

// limitedError is a status and its cause.
type limitedError struct {
	error
	cause error
}

func (e *limitedError) Unwrap() []error { return []error{e.error, e.cause} }

// failed keeps what the server says in the trailer of a try that failed.
func (c *call) failed(trailer metadata.MD) {
	if c != nil {
		c.trailer = trailer
	}
}

// verdict says whether the call may be sent again after an error, and when.
func (c *call) verdict(err error) lb.Verdict {
	if c.Endpoint() == nil {
		return lb.Verdict{} // nobody to call: another try finds nobody either
	}
	after, told, refused := pushBack(c.trailer)
	if refused {
		return lb.Verdict{}
	}
	verdict := Verdict(err)
	if told && status.Code(err) == codes.ResourceExhausted {
		verdict.Safety = lb.IfIdempotent
	}
	verdict.After = after
	return verdict
}

// pushBack is how long the server asks to be left alone, if it does, or that
// it will not have the call again at all. See gRFC A6.
func pushBack(trailer metadata.MD) (after time.Duration, told, refused bool) {
	values := trailer.Get("grpc-retry-pushback-ms")
	if len(values) == 0 {
		return 0, false, false
	}
	ms, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil || len(values) > 1 {
		return 0, true, true
	}
	return time.Duration(ms) * time.Millisecond, true, false
}
