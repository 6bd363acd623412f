package adsumkit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/kit/endpoint"
	kitlb "github.com/go-kit/kit/sd/lb"

	"github.com/adsum-go/adsum/lb"
)

var _ kitlb.Balancer = (*Balancer)(nil)

// Balancer is go-kit's lb.Balancer on adsum's engine: the policy picks an
// instance for each call and learns from how the call ends. Several balancers
// of one Endpointer share its endpoints. It lives as long as the Endpointer.
//
// All methods are safe for concurrent use.
type Balancer struct {
	endpointer *Endpointer
	engine     *lb.Balancer
	observer   lb.ClientObserver
	client     *lb.Client // who counts the calls
	leave      func()     // the client
	result     func(context.Context, error) lb.Result
	inspector  *lb.Inspector // may be nil
	tuning     *lb.Tuning    // what says the policy, and how Retry works; nil without a config
	version    atomic.Uint64 // of the config that the policy is from
	following  sync.Mutex
	retriers   atomic.Uint64 // made of this balancer
	endpoint   endpoint.Endpoint
}

// BalancerOption adjusts [NewBalancer].
type BalancerOption func(*Balancer)

// WithResult sets how far the instance is to blame for an error that is not
// marked by [Permanent] or [NotSent]. If not given, every error is its failure
// but that of a caller who went away. A transport whose errors carry a status
// knows better: for gRPC, give adsumgrpc.Result.
func WithResult(result func(ctx context.Context, err error) lb.Result) BalancerOption {
	return func(b *Balancer) { b.result = result }
}

// WithObserver tells an observer of the balancer and of every call through it,
// such as adsumotel's for metrics and traces. Without one that costs nothing.
func WithObserver(observer lb.ClientObserver) BalancerOption {
	return func(b *Balancer) { b.observer = observer }
}

// WithInspector lets the balancer be looked at, and records its last picks; see
// package debug.
func WithInspector(inspector *lb.Inspector) BalancerOption {
	return func(b *Balancer) { b.inspector = inspector }
}

// WithConfig lets a config say how instances are chosen, in place of the policy, and
// how [Retry] sends calls through the balancer again and twice, in place of its
// arguments and options. When it changes, the next calls go by it.
func WithConfig(live *lb.Live) BalancerOption {
	return func(b *Balancer) {
		if live != nil {
			b.tuning = live.Tuning()
		}
	}
}

// NewBalancer balances over the endpointer's instances by the policy, such as
// lb.RoundRobin; nil is the zero lb.Routing: peak EWMA, with ejection of
// instances that fail.
func NewBalancer(e *Endpointer, policy lb.Policy, opts ...BalancerOption) *Balancer {
	b := &Balancer{endpointer: e, result: lb.ResultOf}
	for _, opt := range opts {
		opt(b)
	}
	var budget *lb.Budget
	switch {
	case b.tuning != nil:
		b.version.Store(b.tuning.Version())
		policy, budget = b.tuning.Policy(), b.tuning.Retry().Budget
	case policy == nil:
		policy = lb.Routing{}
	}
	b.engine = lb.New(policy, lb.Options{Protocols: e.instancer.protocols, Inspector: b.inspector, Transport: "go-kit"})
	b.client = lb.NewClient(lb.ClientOptions{Transport: "go-kit", Service: e.instancer.view.Service(), Budget: budget, Observer: b.observer})
	b.leave = b.client.Open(b.engine)
	b.endpoint = b.call
	e.mu.Lock()
	defer e.mu.Unlock()
	e.balancers = append(e.balancers, b)
	b.engine.Update(e.current.Load().snapshot)
	return b
}

// follow takes over the policy of a config that has changed.
func (b *Balancer) follow() {
	if b.tuning == nil {
		return
	}
	if b.version.Load() == b.tuning.Version() {
		return
	}
	b.following.Lock()
	defer b.following.Unlock()
	if now := b.tuning.Version(); b.version.Load() != now {
		b.engine.SetPolicy(b.tuning.Policy())
		b.version.Store(now)
	}
}

// Endpoint returns an endpoint that picks an instance for every call it gets,
// by what the call's context asks for (lb.Pin, lb.WithKey); it may be kept. It
// fails with go-kit's lb.ErrNoEndpoints, wrapped with the reason, when there
// is nobody to call now.
func (b *Balancer) Endpoint() (endpoint.Endpoint, error) {
	b.follow()
	if len(b.engine.Callable()) > 0 {
		return b.endpoint, nil
	}
	picked, err := b.engine.Pick(nil) // for its reason
	if err != nil {
		return nil, b.endpointer.current.Load().none(err)
	}
	picked.Done(lb.Outcome{Result: lb.Ignored})
	return b.endpoint, nil
}

// Stats returns the balancer's numbers. With go-kit's own lb.Retry, every try is
// a call; with [Retry], all tries together are.
func (b *Balancer) Stats() lb.ClientStats { return b.client.Stats() }

// call is one try, by what the context asks for.
func (b *Balancer) call(ctx context.Context, request any) (response any, err error) {
	call := lb.CallFrom(ctx)
	if call == nil && b.client.Observed() {
		call = lb.NewCall(ctx) // it will tell the instance
	}
	start := b.client.Begin()
	ended := panicked
	defer func() { b.client.End(ctx, start, call, ended) }()
	response, err = b.invoke(ctx, call, request)
	ended = b.ended(ctx, err)
	return response, err
}

// panicked is how a call ends that does not return.
var panicked = lb.Ended{Result: lb.Failure, Err: errors.New("the endpoint panicked")}

// ended is what the error tells of a call.
func (b *Balancer) ended(ctx context.Context, err error) lb.Ended {
	return lb.Ended{Err: err, Result: b.blame(ctx, err)}
}

// invoke picks an instance and calls it. call may be nil.
func (b *Balancer) invoke(ctx context.Context, call *lb.Call, request any) (any, error) {
	b.follow()
	for {
		picked, err := b.engine.Pick(call)
		if errors.Is(err, lb.ErrLimited) {
			return nil, err
		}
		if err != nil {
			return nil, b.endpointer.current.Load().none(err)
		}
		if m := b.acquire(picked.Endpoint); m != nil {
			return b.finish(ctx, picked, m, request)
		}
		// It has just gone, and the engine's view is a moment old.
		picked.Done(lb.Outcome{Result: lb.Ignored})
		if call == nil {
			call = lb.NewCall(ctx)
		}
		if call.Avoids(picked.Endpoint) {
			return nil, b.endpointer.current.Load().gone()
		}
		call.Tried = append(call.Tried, picked.Endpoint)
	}
}

// finish calls a member that was acquired and reports the outcome.
func (b *Balancer) finish(ctx context.Context, picked lb.Picked, m *member, request any) (response any, err error) {
	outcome := lb.Outcome{Result: lb.Failure} // of a call that panics
	if deadline, ok := ctx.Deadline(); ok {
		outcome.Deadline = time.Until(deadline)
	}
	var load *told // nil unless somebody wants to know
	if picked.WantsLoad() {
		load = &told{}
		ctx = load.listening(ctx)
	}
	defer func() {
		outcome.Load = load.last()
		picked.Done(outcome)
	}()
	response, err = m.invoke(ctx, request)
	outcome.Result = b.blame(ctx, err)
	return response, err
}

// blame goes by the error's mark, where there is one.
func (b *Balancer) blame(ctx context.Context, err error) lb.Result {
	marked, ok := errors.AsType[*markedError](err)
	switch {
	case err != nil && lb.WasOvertaken(ctx):
		return lb.Overtaken
	case !ok:
		return b.result(ctx, err)
	case marked.safety == lb.Never:
		return lb.Success // the instance answered
	default:
		return lb.Ignored // it was never asked
	}
}

// acquire takes hold of the go-kit endpoint of one of the engine's, nil if it
// has gone. What was attached may have been replaced by another since.
func (b *Balancer) acquire(ep *lb.Endpoint) *member {
	if m, ok := ep.Attached().(*member); ok && m.acquire() {
		return m
	}
	m := b.endpointer.current.Load().member(ep.ID(), ep.Addr())
	if m == nil || !m.acquire() {
		return nil
	}
	ep.Attach(m)
	return m
}
