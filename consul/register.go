package consul

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// Register implements [adsum.Registry]. The record lives in the agent that
// answers now, and is moved by registering again when another one answers
// later.
func (r *Registry) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	in = in.WithDefaults()
	if err := errors.Join(in.Validate(), r.Validate(in)); err != nil {
		return nil, err
	}
	tried := "register " + in.String()
	if r.ctx.Err() != nil {
		return nil, r.explain(tried, context.Canceled)
	}
	if err := r.worthwhile(ctx, in, opts.Claim); err != nil {
		return nil, r.explain(tried, err)
	}
	claim, index, err := r.arbitrate(ctx, in, opts.Claim)
	if err != nil {
		return nil, r.explain(tried, err)
	}
	l := newLease(r, in, term{claim: claim, lease: rand.Text()}, r.Capabilities().ClampTTL(opts.TTL))
	if err := l.establish(ctx, index); err != nil {
		l.cancel()
		r.spawn(func() { l.undo() })
		return nil, r.explain(tried, err)
	}
	l.kept.Add(1)
	if !r.spawn(func() { defer l.kept.Done(); l.keep() }) {
		l.kept.Done()
		return nil, r.explain(tried, context.Canceled)
	}
	return l, nil
}

// worthwhile fails while an instance that comes back does not pass its check:
// see passes.
func (r *Registry) worthwhile(ctx context.Context, in adsum.Instance, claim adsum.Claim) error {
	if r.opts.Check == nil || claim.Incarnation == 0 {
		return nil
	}
	check, err := r.ownCheck(in)
	if err != nil {
		return err
	}
	if err := passes(ctx, check); err != nil {
		return fmt.Errorf("not before its check passes: %w", err)
	}
	return nil
}

// settling is how long a registration waits for the agent to tell the catalog.
// An agent without a leader tells it later.
const settling = time.Second

// establish writes the record for the first time, and waits until the catalog
// shows it. index is the catalog's from before.
func (l *lease) establish(ctx context.Context, index uint64) error {
	o, err := l.r.overrideOf(ctx, l.in.Service, l.in.ID)
	if err != nil {
		return err
	}
	l.override = o
	if err := l.put(ctx); err != nil {
		return err
	}
	if err := l.beat(ctx); err != nil { // a check that was there before keeps its status
		return err
	}
	if err := l.r.impose(ctx, l.id, o, false); err != nil {
		return err
	}
	l.settle(ctx, index)
	return nil
}

func (l *lease) settle(ctx context.Context, index uint64) {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	for {
		entries, now, _, err := l.r.catalogAfter(ctx, index, l.in.Service, l.id)
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.term.lease == l.term.lease {
				l.created = e.created
				return
			}
		}
		index = nextIndex(index, now)
	}
}

// undo withdraws what a registration that failed may have written, whatever
// became of its context.
func (l *lease) undo() {
	ctx, cancel := context.WithTimeout(context.Background(), l.r.opts.Timeout)
	defer cancel()
	// What cannot be withdrawn now runs out by itself.
	_ = l.withdraw(ctx)
}

// beat tells the agent that the owner lives.
func (l *lease) beat(ctx context.Context) error {
	if l.r.opts.Check != nil {
		return nil
	}
	ctx, cancel := l.r.request(ctx)
	defer cancel()
	err := l.r.client.Agent().UpdateTTLOpts(checkID(l.id), "", api.HealthPassing, query(ctx))
	if unknown(err) {
		return fmt.Errorf("%w: the agent does not know its check", adsum.ErrLeaseLost)
	}
	return err
}

// keep beats three times in the TTL until the lease is closed or lost. An
// error does not mean that the record is gone; when no beat arrived for a
// whole TTL it has run out.
func (l *lease) keep() {
	renewed, wait := time.Now(), l.ttl/3
	for {
		timer := time.NewTimer(wait)
		select {
		case <-l.ctx.Done():
			timer.Stop()
			if l.r.ctx.Err() != nil {
				l.lose(fmt.Errorf("%w: %w: the registry was closed", adsum.ErrLeaseLost, adsum.ErrClosed))
			}
			return
		case <-timer.C:
		}
		err := l.look()
		switch {
		case err == nil:
			renewed, wait = time.Now(), l.ttl/3
		case isLoss(err):
			l.giveUp(err)
		case time.Since(renewed) > l.ttl:
			l.lose(fmt.Errorf("%w: the agent did not take a beat for %v: %w", adsum.ErrLeaseLost, l.ttl, err))
		default:
			wait = l.ttl / 10
		}
	}
}

// look inspects the record, beats, and now and then looks further afield.
func (l *lease) look() error {
	if err := l.acquire(l.ctx); err != nil {
		return err
	}
	defer l.release()
	if err := l.inspect(l.ctx); err != nil {
		return err
	}
	if err := l.beat(l.ctx); err != nil {
		return err
	}
	l.beats++
	if l.beats%3 != 1 {
		return nil
	}
	if err := l.inspectCatalog(l.ctx); err != nil {
		return err
	}
	return l.obey()
}

// giveUp loses the lease. One that was superseded at another agent leaves no
// record behind.
func (l *lease) giveUp(why error) {
	l.lose(why)
	if errors.Is(why, adsum.ErrSuperseded) {
		l.undo()
	}
}
