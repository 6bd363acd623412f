package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/adsum-go/adsum"
)

// vigil watches over the lease's own nodes: it notices when somebody deletes
// or overwrites them, obeys an override, and ends the lease with its session.
// It looks after every event, after every reconnection, and now and then.
func (l *lease) vigil() {
	reader := l.s.newReader(l.nodes.public, l.nodes.record, l.nodes.override)
	defer reader.close()
	for l.ctx.Err() == nil {
		if err := l.s.await(l.ctx); err != nil {
			pause(l.ctx, time.Second)
			continue
		}
		down := l.s.downs()
		reader.take()
		if err := l.inspect(); err != nil {
			pause(l.ctx, time.Second)
			continue
		}
		look := time.NewTimer(2 * l.r.opts.Heartbeat)
		select {
		case <-l.ctx.Done():
		case <-reader.wake:
		case <-down:
		case <-look.C:
		}
		look.Stop()
	}
	switch why := context.Cause(l.ctx); {
	case l.r.ctx.Err() != nil:
		l.lose(fmt.Errorf("%w: %w: the registry was closed", adsum.ErrLeaseLost, adsum.ErrClosed))
	case errors.Is(why, errLapsed):
		l.lose(fmt.Errorf("%w: %w", adsum.ErrLeaseLost, why))
		l.r.withdrawLater(l, grace)
	case l.s.ctx.Err() != nil:
		l.lose(fmt.Errorf("%w: %w", adsum.ErrLeaseLost, why))
	}
}

// wait is false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// pause waits for about d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) { wait(ctx, d/2+rand.N(d/2+1)) }

// inspect compares the registry with what this lease holds, and acts: it gives
// the lease up, or brings the records in line with what the owner and an
// override say.
func (l *lease) inspect() error {
	if err := l.acquire(l.ctx); err != nil {
		return err
	}
	defer l.release()
	p, err := l.s.look(l.ctx, l.nodes, l.publicOnly)
	if err != nil {
		return err
	}
	if err := l.verdict(p); err != nil {
		l.lose(err)
		return err
	}
	if p.override == l.override && l.says(p) {
		return nil
	}
	before := l.override
	l.override = p.override
	err = l.rewrite(l.ctx, p)
	if err != nil {
		l.override = before
	}
	if errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded) {
		l.lose(err)
	}
	return err
}

// says tells whether the records are as this lease wrote them last. They are
// not when somebody changed one of two, or when the answer to a write was lost.
func (l *lease) says(p place) bool {
	return l.publicOnly && same(p.public, l.held.public) || same(p.public, l.held.public) && same(p.record, l.held.record)
}

func same(n *node, value []byte) bool {
	if n == nil || value == nil {
		return n == nil && value == nil
	}
	return bytes.Equal(n.data, value)
}

// verdict says whether the place is still this lease's. Who took it is younger
// unless the number says otherwise: then a restored registry shows an owner of
// the past, and registering again decides. What nobody's session keeps is
// nobody's.
func (l *lease) verdict(p place) error {
	h := p.holder()
	switch {
	case h.session == l.s.id() && (h.claim.Owner == l.claim.Owner || h.claim.Owner == ""):
		return nil
	case h.session != 0 && h.claim.Owner != l.claim.Owner && h.claim.YoungerThan(l.claim, p.sequence):
		return superseded(h, l.claim)
	case h == (holder{}) && l.held.public == nil && l.held.record == nil:
		return nil // there is nothing that this lease may show
	}
	return fmt.Errorf("%w: somebody removed or replaced the record", adsum.ErrLeaseLost)
}
