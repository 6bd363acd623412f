package adsumhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// roundTrip sends the request once something is known of the service.
func (s *service) roundTrip(req *http.Request, call *lb.Call) (*http.Response, error) {
	if err := s.ready(req.Context()); err != nil {
		closeBody(req)
		return nil, err
	}
	return s.send(req, call)
}

// send sends the request until it is answered or must not be sent again.
func (s *service) send(req *http.Request, call *lb.Call) (*http.Response, error) {
	body := &requestBody{req: req}
	defer body.finish()
	call.Idempotent = idempotent(req) && body.replayable()

	send, retry := s.once, s.options.retryNow()
	if hedge := s.options.hedgeNow(); hedge != nil && call.Idempotent && req.Trailer == nil {
		send = s.hedged(hedge.For(methodOf(req)+" "+s.key.scheme+"://"+s.key.service, retry.Budget))
	}
	last := &try{} // none yet
	err := retry.Do(req.Context(), call, func(ctx context.Context) (err error) {
		last.discard()
		last, err = send(ctx, call, req, body)
		return err
	}, func(error) lb.Verdict { return last.verdict() })
	if last.resp != nil && (err == nil || req.Context().Err() == nil) {
		// Answered, be it with a status that would have been worth another
		// try, had there been one.
		return last.resp, nil
	}
	last.discard()
	return nil, err
}

// once makes one try. There is one even if it failed.
func (s *service) once(ctx context.Context, call *lb.Call, req *http.Request, body *requestBody) (*try, error) {
	t := &try{service: s, req: req, body: body}
	return t, t.do(ctx, call)
}

// hedged returns what makes one try, or two at once.
func (s *service) hedged(hedge *lb.Hedge) func(context.Context, *lb.Call, *http.Request, *requestBody) (*try, error) {
	return func(ctx context.Context, call *lb.Call, req *http.Request, body *requestBody) (*try, error) {
		return lb.Hedged(ctx, hedge, call, func(ctx context.Context, call *lb.Call) (*try, error) {
			// A request that was given up may still be on its way out when the
			// other one is the caller's again.
			own := req.WithContext(req.Context())
			own.Header = req.Header.Clone()
			return s.once(ctx, call, own, body)
		}, (*try).drop)
	}
}

// try is one request to one endpoint. Its trace may be written to after it
// ended, so that each has one of its own.
type try struct {
	service *service
	req     *http.Request
	body    *requestBody
	trace   trace
	resp    *http.Response
}

// errUnavailable is the error of a try that was answered with a status that
// makes another one worth it.
type errUnavailable struct{ status string }

func (e errUnavailable) Error() string { return "answered " + e.status }

func (t *try) do(ctx context.Context, call *lb.Call) error {
	picked, err := t.service.balancer.Pick(call)
	if err != nil {
		return err
	}
	body, err := t.body.next()
	if err != nil {
		picked.Done(lb.Outcome{Result: lb.Ignored})
		return err
	}
	reqCtx, detach, cancel := t.context(ctx)
	start := time.Now()
	resp, err := t.service.http.RoundTrip(t.outgoing(reqCtx, picked.Endpoint, body))
	if !detach() {
		resp, err = tooLate(resp, err, ctx.Err())
	}
	outcome := lb.Outcome{Latency: time.Since(start)}
	if deadline, ok := ctx.Deadline(); ok {
		outcome.Deadline = deadline.Sub(start)
	}
	if err != nil {
		cancel(nil)
		outcome.Result = t.result(ctx, err)
		picked.Done(outcome)
		return err
	}
	outcome.Load = loadOf(resp.Header)
	if resp.StatusCode >= 500 {
		outcome.Result = lb.Failure
	}
	t.answered(resp, picked, outcome, cancel)
	if unavailable(resp.StatusCode) {
		return errUnavailable{resp.Status}
	}
	return nil
}

// context returns what the request is sent with. It ends with the try until it
// is detached; from then on with the caller's own context, on which the body is
// read, or when it is cancelled. Detaching fails if the try has ended.
func (t *try) context(ctx context.Context) (_ context.Context, detach func() bool, cancel context.CancelCauseFunc) {
	own := t.req.Context()
	// Not the contexts are compared: they may be of a type that cannot be.
	if ctx.Done() == own.Done() { // no times for tries
		return ctx, func() bool { return true }, func(error) {}
	}
	own, cancel = context.WithCancelCause(own)
	return own, context.AfterFunc(ctx, func() { cancel(ctx.Err()) }), cancel
}

// tooLate is what becomes of an answer, or of an error, when the try's context
// has ended.
func tooLate(resp *http.Response, err, ended error) (*http.Response, error) {
	switch {
	case err == nil:
		resp.Body.Close()
		return nil, ended
	case errors.Is(err, ended):
		return nil, err
	default:
		return nil, fmt.Errorf("%w: %w", ended, err)
	}
}

// outgoing is the request as it goes to the endpoint.
func (t *try) outgoing(ctx context.Context, ep *lb.Endpoint, body *attempt) *http.Request {
	out := t.req.WithContext(t.trace.attach(ctx))
	u := *t.req.URL
	u.Scheme, u.Host = "http", ep.Addr()
	if t.service.secure(ep) {
		u.Scheme = "https"
	}
	out.URL = &u
	if out.Host == "" || out.Host == t.req.URL.Host {
		out.Host = t.service.options.host(t.service.key.service)
	}
	out.GetBody = t.req.GetBody
	if _, limited := t.req.Context().Deadline(); limited {
		// Not that of the try, which leaves the body alone.
		out.Header = maps.Clone(out.Header)
		if out.Header == nil {
			out.Header = http.Header{}
		}
		SendDeadline(t.req.Context(), out.Header)
	}
	if body != nil {
		out.Body = body
	}
	return out
}

// answered makes the response the caller's: the pick is done, and the request's
// context let go, when its body is.
func (t *try) answered(resp *http.Response, picked lb.Picked, outcome lb.Outcome, cancel context.CancelCauseFunc) {
	resp.Request = withEndpoint(t.req, picked.Endpoint)
	resp.Body = newResponseBody(resp.Body, func(err error) {
		cancel(nil)
		if err != nil {
			outcome.Result = lb.ResultOf(t.req.Context(), err)
		}
		picked.Done(outcome)
	})
	t.resp = resp
}

// discardFor is for how long the rest of an answer that is dropped is waited for.
const discardFor = 50 * time.Millisecond

// discard drops an answer in favour of another try. A short one is read to its
// end, so that its connection can be used again.
func (t *try) discard() {
	if t.resp == nil {
		return
	}
	body := t.resp.Body
	t.resp = nil
	enough := time.AfterFunc(discardFor, func() { body.Close() }) // ends the reading
	io.CopyN(io.Discard, body, 2<<10)
	enough.Stop()
	body.Close()
}

// drop lets go of an answer that came too late.
func (t *try) drop() {
	if t.resp != nil {
		t.resp.Body.Close()
	}
}

// result judges the endpoint by an error. A request that was refused before a
// connection was even asked for is the caller's own fault.
func (t *try) result(ctx context.Context, err error) lb.Result {
	switch {
	case !t.trace.asked.Load():
		return lb.Ignored
	case lb.WasOvertaken(ctx):
		return lb.Overtaken
	default:
		return lb.ResultOf(t.req.Context(), err)
	}
}

// verdict says when the request may be sent again after this try.
func (t *try) verdict() lb.Verdict {
	switch {
	case t.resp != nil:
		after := retryAfter(t.resp)
		if after > maxRetryAfter {
			return lb.Verdict{Safety: lb.Never}
		}
		return lb.Verdict{Safety: lb.IfIdempotent, After: after}
	case !t.trace.asked.Load():
		return lb.Verdict{Safety: lb.Never}
	case t.trace.left.Load() || !t.body.ready():
		return lb.Verdict{Safety: lb.IfIdempotent}
	default:
		return lb.Verdict{Safety: lb.Always}
	}
}
