package adsumkit

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/go-kit/kit/endpoint"

	"github.com/adsum-go/adsum/lb"
)

// retrier is what the options of Retry set.
type retrier struct {
	lb.Retry
	idempotent bool
	judge      func(error) lb.Verdict
	hedge      *lb.Hedge // nil if off
}

// RetryOption adjusts [Retry].
type RetryOption func(*retrier)

// Idempotent says that calls through this endpoint may be sent more than once,
// so that they are tried again after any error, as go-kit's Retry does with
// every call.
func Idempotent() RetryOption { return func(r *retrier) { r.idempotent = true } }

// WithPerTry bounds one try, so that an instance that hangs leaves time for
// another.
func WithPerTry(d time.Duration) RetryOption { return func(r *retrier) { r.PerTry = d } }

// WithBackoff sets the waits between tries; see lb.Backoff for the defaults.
func WithBackoff(b lb.Backoff) RetryOption { return func(r *retrier) { r.Backoff = b } }

// WithBudget sets the budget for sending calls again, to share it with other endpoints;
// a zero lb.Budget of its own if not given.
func WithBudget(b *lb.Budget) RetryOption { return func(r *retrier) { r.Budget = b } }

// WithHedge sends calls of an [Idempotent] endpoint to a second instance when an
// answer takes longer than nearly all did lately, takes the answer that comes
// first, and cancels the other. It happens within one try, and spends the
// endpoint's budget unless h has another. Give each endpoint an h of its own, as
// it learns how long calls take. Endpoints are called by two goroutines then,
// and must honour their context.
func WithHedge(h *lb.Hedge) RetryOption { return func(r *retrier) { r.hedge = h } }

// WithJudge sets what to make of an error that is not marked by [Permanent] or
// [NotSent]. If not given, one of a connection that could not be made allows
// another try, and any other allows it if the call is [Idempotent]. A
// transport whose errors carry a status knows better: for gRPC, give
// adsumgrpc.Verdict.
func WithJudge(judge func(error) lb.Verdict) RetryOption {
	return func(r *retrier) { r.judge = judge }
}

// Retry returns an endpoint that calls through the balancer, up to max times
// (3 if zero) within the timeout (none if zero) and the caller's own deadline,
// each time on an instance that the call did not try before while there is
// one. It tries again only what is safe to send again: see [Idempotent] and
// [WithJudge].
//
// A balancer made [WithConfig] says all of that itself, but for [Idempotent] and
// [WithJudge].
//
// The error after several tries is an *lb.TriesError, which names each with
// its instance. Endpoints must honour their context: Retry waits for them.
func Retry(max int, timeout time.Duration, b *Balancer, opts ...RetryOption) endpoint.Endpoint {
	r := retrier{Retry: lb.Retry{Max: max, Timeout: timeout, Budget: &lb.Budget{}}, judge: judge}
	for _, opt := range opts {
		opt(&r)
	}
	kind := strconv.FormatUint(b.retriers.Add(1), 10)
	return func(ctx context.Context, request any) (response any, err error) {
		call := lb.NewCall(ctx)
		call.Idempotent = r.idempotent
		start := b.client.Begin()
		ended := panicked
		defer func() { b.client.End(ctx, start, call, ended) }()
		retry, hedge := r.now(b)
		invoke := b.invoke
		if hedge != nil {
			invoke = r.hedged(b, hedge.For(kind, retry.Budget))
		}
		err = retry.Do(ctx, call, func(ctx context.Context) (err error) {
			response, err = invoke(ctx, call, request)
			return err
		}, r.verdict)
		ended = b.ended(ctx, err)
		if err != nil {
			return nil, err
		}
		return response, nil
	}
}

// now is what the options say, or the balancer's config.
func (r *retrier) now(b *Balancer) (lb.Retry, *lb.Hedge) {
	if b.tuning == nil {
		return r.Retry, r.hedge
	}
	return b.tuning.Retry(), b.tuning.Hedge()
}

// hedged calls through the balancer, twice at once if that takes long.
func (r *retrier) hedged(b *Balancer, hedge *lb.Hedge) func(context.Context, *lb.Call, any) (any, error) {
	type answer struct {
		response any
		err      error // of an answer that is an error
	}
	return func(ctx context.Context, call *lb.Call, request any) (any, error) {
		a, err := lb.Hedged(ctx, hedge, call, func(ctx context.Context, call *lb.Call) (answer, error) {
			response, err := b.invoke(ctx, call, request)
			if err != nil && (call.Endpoint() == nil || r.verdict(err).Safety != lb.Never) {
				return answer{}, err
			}
			return answer{response, err}, nil
		}, nil)
		if err != nil {
			return nil, err
		}
		return a.response, a.err
	}
}

// Permanent marks an error as the instance's answer: the call is not tried
// again, and the instance not to blame. It returns nil for nil.
func Permanent(err error) error { return mark(err, lb.Never) }

// NotSent marks an error that arose before the request left, such as a rate
// limit or an open circuit of the caller's own: any call may be tried again.
// It returns nil for nil.
func NotSent(err error) error { return mark(err, lb.Always) }

func mark(err error, safety lb.Safety) error {
	if err == nil {
		return nil
	}
	return &markedError{err, safety}
}

type markedError struct {
	error
	safety lb.Safety
}

func (e *markedError) Unwrap() error { return e.error }

// verdict is that of the mark, where there is one.
func (r *retrier) verdict(err error) lb.Verdict {
	marked, ok := errors.AsType[*markedError](err)
	switch {
	case ok:
		return lb.Verdict{Safety: marked.safety}
	case errors.Is(err, lb.ErrNoEndpoint), errors.Is(err, lb.ErrLimited):
		return lb.Verdict{Safety: lb.Never}
	}
	return r.judge(err)
}

// judge tells what is safe without knowing the transport.
func judge(err error) lb.Verdict {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return lb.Verdict{Safety: lb.Always}
	}
	return lb.Verdict{Safety: lb.IfIdempotent}
}
