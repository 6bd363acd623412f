package adsumgrpc

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/balancer"

	"github.com/adsum-go/adsum/lb"
)

// picker asks the engine, for every call. There is a new one for every view
// only because gRPC wakes waiting calls when it gets one.
type picker struct {
	channel *channel
	engine  *lb.Balancer
	wait    bool  // there is, or will soon be, somebody to call
	cause   error // why not
}

// Pick chooses the connection for one call.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	if info.FullMethodName == connectedMethod {
		return balancer.PickResult{}, p.introduce(info.Ctx)
	}
	if p.engine == nil {
		return balancer.PickResult{}, p.nobody(callOf(info.Ctx), lb.ErrNoEndpoint)
	}
	ctx := info.Ctx
	c := callOf(ctx)
	picked, err := p.engine.Pick(c.pickBy())
	if err != nil {
		if len(p.engine.Callable()) > 0 {
			return balancer.PickResult{}, c.refused(err) // the policy declines
		}
		return balancer.PickResult{}, p.nobody(c, err)
	}
	l := picked.Endpoint.Attached().(*link)
	allowed := allowance(ctx)
	latency := c.timing()
	return balancer.PickResult{
		SubConn: l.conn,
		Done: func(done balancer.DoneInfo) {
			if done.Err != nil {
				c.failed(done.Trailer)
			}
			o := outcome(ctx, done, allowed)
			o.Latency = latency()
			picked.Done(o)
		},
	}, nil
}

// nobody says why there is nobody to call. The error is no gRPC status, so
// that calls which want to wait until somebody is ready do.
func (p *picker) nobody(c *call, err error) error {
	if p.wait {
		return balancer.ErrNoSubConnAvailable
	}
	if p.cause != nil {
		err = fmt.Errorf("%w; last error: %w", err, p.cause)
	}
	c.because(err)
	return err
}

// allowance is how long the caller is willing to wait, 0 if not limited.
func allowance(ctx context.Context) time.Duration {
	deadline, limited := ctx.Deadline()
	if !limited {
		return 0
	}
	return time.Until(deadline)
}
