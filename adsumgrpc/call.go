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
	cause   error       // why the last pick chose nobody
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
	c.because(err)
	if errors.Is(err, lb.ErrLimited) {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	if c != nil && c.beside {
		return status.Error(codes.Unavailable, err.Error())
	}
	return err
}

// because keeps why nobody was chosen, which gRPC makes text of.
func (c *call) because(err error) {
	if c != nil {
		c.cause = err
	}
}

// unwrapping makes an error that comes of a limit one of lb.ErrLimited, too, and one
// of nobody to call one of lb.ErrNoEndpoint. A call that waited for somebody until
// its time was up failed of that.
func (c *call) unwrapping(err error) error {
	if err == nil || c.cause == nil || c.Endpoint() != nil {
		return err
	}
	if code := status.Code(err); code != codes.Unavailable && code != codes.ResourceExhausted {
		return err
	}
	return &causedError{err, c.cause}
}

// causedError is a status and its cause.
type causedError struct {
	error
	cause error
}

func (e *causedError) Unwrap() []error { return []error{e.error, e.cause} }

// GRPCStatus is the status alone: for [status.FromError], which puts the text of
// an error that wraps one in place of its message.
func (e *causedError) GRPCStatus() *status.Status { return status.Convert(e.error) }

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
