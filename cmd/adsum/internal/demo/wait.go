package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
)

// limit is how long a change may take to show, by what the registry says of
// itself.
func (p *play) limit() time.Duration {
	c := p.registry.Capabilities()
	limit := c.Propagation + slack
	if detection, bounded := c.Detection(ttl); bounded {
		limit += detection
	}
	return limit
}

// await waits until the client's list satisfies the condition.
func (p *play) await(ctx context.Context, what string, condition func(*adsum.Snapshot) bool) error {
	limit := p.limit()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		changed := p.view.Changed()
		if condition(p.view.Snapshot()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", limit, what, context.Cause(ctx))
		}
	}
}

// awaitListed waits until the copy is on the client's list, or is not.
func (p *play) awaitListed(ctx context.Context, addr string, listed bool) error {
	what := addr + " to be on the list"
	if !listed {
		what = addr + " to be off the list"
	}
	return p.await(ctx, what, func(s *adsum.Snapshot) bool {
		for _, in := range s.Instances {
			if in.Addr == addr {
				return listed == in.Status.Callable()
			}
		}
		return !listed
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
