package eureka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// lease is one published record.
type lease struct {
	r           *Registry
	service, id string
	ttl         time.Duration
	claim       adsum.Claim // with its incarnation once the lease is given out

	// turn holds a token while nobody writes the record, so that waiting
	// for it can end with a context. It guards the fields below.
	turn  chan struct{}
	in    adsum.Instance // as it was accepted
	word  adsum.Override // an operator's, as it was accepted with
	known int            // at how many looks the ledger need not be asked whether word is still in force
	dirty int64          // lastDirtyTimestamp of what was accepted
	tried int64          // of the last write, whose answer may have been lost
	again int            // at how many looks a drain is yet to be undone once more

	ctx    context.Context // ends with the keeping of the lease
	cancel context.CancelFunc
	keeper sync.WaitGroup // of keep

	mu     sync.Mutex
	err    error // why it was lost; guarded by mu
	closed bool  // guarded by mu
	lost   chan struct{}
}

func newLease(r *Registry, in adsum.Instance, opts adsum.RegisterOptions) *lease {
	ctx, cancel := context.WithCancel(r.ctx)
	l := &lease{
		r: r, service: in.Service, id: in.ID, ttl: r.Capabilities().ClampTTL(opts.TTL), claim: opts.Claim,
		turn: make(chan struct{}, 1), lost: make(chan struct{}), ctx: ctx, cancel: cancel,
	}
	l.turn <- struct{}{}
	return l
}

// attempts bounds how often a record is written anew because others write it
// at the same time.
const attempts = 5

// publish writes the record if the claim allows it, with an operator's word,
// until it is there, and returns the claim with its incarnation. The caller has
// the turn.
func (l *lease) publish(ctx context.Context, in adsum.Instance, word adsum.Override) (adsum.Claim, error) {
	for range attempts {
		held, err := l.r.look(ctx, l.service, l.id)
		if err != nil {
			return l.claim, err
		}
		claim, err := l.r.arbitrate(held, l.claim)
		if err != nil {
			return claim, err
		}
		above := int64(0)
		if held != nil {
			above = held.dirty
			if !drains(in, word) && (held.drainedByUs() || held.override == outOfService && l.word.Status == adsum.Draining) {
				if err := l.r.undoDrain(ctx, instancePath(l.service, l.id), statusOf(in.Status)); err != nil {
					return claim, err
				}
			}
		}
		dirty := l.r.clock.next(above)
		body, err := encode(in, claim, word, l.ttl, dirty)
		if err != nil {
			return claim, err
		}
		l.tried = dirty
		if err := l.r.post(ctx, l.service, body); err != nil {
			return claim, err
		}
		held, err = l.r.look(ctx, l.service, l.id)
		if err != nil {
			return claim, err
		}
		if held != nil && held.claim == claim && held.dirty == dirty {
			l.accept(in, word, dirty)
			return claim, nil
		}
	}
	return l.claim, fmt.Errorf("the record does not stay: after %d attempts there is another one or none", attempts)
}

// undoneAgain is at how many looks the end of a drain is repeated. Servers that
// are peers tell each other a record and its drain apart and in any order, and
// one that hears of them the wrong way round stays drained for ever.
const undoneAgain = 3

// accept notes what was published.
func (l *lease) accept(in adsum.Instance, word adsum.Override, dirty int64) {
	switch {
	case drains(in, word):
		l.again = 0
	case drains(l.in, l.word):
		l.again = undoneAgain
	}
	l.in, l.word, l.known, l.dirty = in.Clone(), word, 0, dirty
	l.r.words.keep(l.kept(), word)
}

// abandon gives up a lease that did not come about. What it may have written
// is withdrawn in the background, whatever became of the context of the call.
func (l *lease) abandon() {
	l.cancel()
	if l.tried == 0 {
		return
	}
	l.r.spawn(func() {
		ctx, cancel := context.WithTimeout(l.r.ctx, l.r.opts.Timeout)
		defer cancel()
		// A record that cannot be removed now runs out by itself.
		if held, err := l.r.look(ctx, l.service, l.id); err == nil && held != nil && held.dirty == l.tried && held.claim.Owner == l.claim.Owner {
			_ = l.r.withdraw(ctx, l.service, l.id)
		}
	})
}

// withdraw cancels a record. One that is not there is fine.
func (r *Registry) withdraw(ctx context.Context, service, id string) error {
	_, err := r.call(ctx, request{method: http.MethodDelete, path: instancePath(service, id)})
	return err
}

// start begins to keep the lease. It is false if the registry was closed.
func (l *lease) start() bool {
	l.keeper.Add(1)
	if l.r.spawn(func() { defer l.keeper.Done(); l.keep() }) {
		return true
	}
	l.keeper.Done()
	return false
}

// looksPerTTL is how often a lease is renewed.
const looksPerTTL = 3

// keep renews the lease three times in its TTL until it is closed or lost. An
// error does not mean that the lease is gone; only when no answer came for a
// whole TTL is it given up.
func (l *lease) keep() {
	renewed, wait := time.Now(), l.ttl/looksPerTTL
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
		err := l.renew(l.ctx)
		switch {
		case err == nil:
			renewed, wait = time.Now(), l.ttl/looksPerTTL
		case gone(err):
			l.lose(err)
		case time.Since(renewed) > l.ttl:
			l.lose(fmt.Errorf("%w: the registry did not answer for %v: %w", adsum.ErrLeaseLost, l.ttl, err))
		default:
			wait = l.ttl / 10
		}
	}
}

// renew looks whether the record is still this owner's, and renews it then:
// Eureka renews whoever's record it has.
func (l *lease) renew(ctx context.Context) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	defer l.release()
	held, err := l.r.look(ctx, l.service, l.id)
	if err != nil {
		return err
	}
	if err := l.verdict(held); err != nil {
		return err
	}
	dirty, err := l.obey(ctx, held)
	if err != nil {
		return err
	}
	a, err := l.r.call(ctx, request{method: http.MethodPut, path: instancePath(l.service, l.id), query: url.Values{
		"status": {string(statusOf(l.in.Status))}, "lastDirtyTimestamp": {strconv.FormatInt(dirty, 10)}}})
	if err == nil && a.missing() {
		return errForgotten
	}
	return err
}

var errForgotten = fmt.Errorf("%w: the registry does not know the record any more", adsum.ErrLeaseLost)

// verdict says whether what lies in the registry is this lease's record. A
// later timestamp alone is none of our business: an operator's word sets it.
func (l *lease) verdict(held *entry) error {
	switch {
	case held == nil:
		return errForgotten
	case held.claim.Owner != l.claim.Owner && younger(held.claim, l.claim):
		return superseded(held.claim, l.claim)
	case held.claim.Owner != l.claim.Owner:
		return fmt.Errorf("%w: an older owner wrote over the record", adsum.ErrLeaseLost)
	case held.dirty == l.tried:
		return nil
	case held.dirty < l.dirty, held.dirty > l.dirty && !held.said.Equal(&l.in):
		return fmt.Errorf("%w: the record says something else than was published", adsum.ErrLeaseLost)
	}
	return nil
}

func gone(err error) bool {
	return errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded)
}

// Claim implements [adsum.Lease].
func (l *lease) Claim() adsum.Claim { return l.claim }

// Lost implements [adsum.Lease].
func (l *lease) Lost() <-chan struct{} { return l.lost }

// Err implements [adsum.Lease].
func (l *lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// lose ends the lease for a reason. The first reason stays.
func (l *lease) lose(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.err != nil {
		return
	}
	l.err = fmt.Errorf("eureka: %s/%s: %w", l.service, l.id, why)
	l.cancel()
	close(l.lost)
}

// acquire waits for its turn to write the record.
func (l *lease) acquire(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *lease) release() { l.turn <- struct{}{} }

// Update implements [adsum.Lease].
func (l *lease) Update(ctx context.Context, in adsum.Instance) error {
	in = in.WithDefaults()
	if err := errors.Join(in.Validate(), l.r.Validate(in)); err != nil {
		return err
	}
	tried := "update " + in.String()
	if in.Service != l.service || in.ID != l.id {
		return &adsum.InvalidError{Field: "instance", Value: strconv.Quote(in.String()), Problem: "it is not the one registered, " + l.service + "/" + l.id,
			Fix: "keep service and id, or register anew"}
	}
	if err := l.acquire(ctx); err != nil {
		return l.r.explain(tried, err)
	}
	defer l.release()
	if err := l.Err(); err != nil {
		return err
	}
	if l.ctx.Err() != nil {
		return fmt.Errorf("eureka: %s: %w: the lease was closed", tried, adsum.ErrLeaseLost)
	}
	err := l.rewrite(ctx, in)
	if gone(err) {
		l.lose(err)
		return l.Err()
	}
	return l.r.explain(tried, err)
}

// rewrite replaces the record if it is still this lease's. The caller has the
// turn.
func (l *lease) rewrite(ctx context.Context, in adsum.Instance) error {
	held, err := l.r.look(ctx, l.service, l.id)
	if err != nil {
		return err
	}
	if err := l.verdict(held); err != nil {
		return err
	}
	_, err = l.publish(ctx, in, l.wordAt(held))
	return err
}

// Close implements [adsum.Lease]. Between looking whose record it is and
// removing it another owner may write its own, which finds it missing and
// writes it again.
func (l *lease) Close(ctx context.Context) error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	l.cancel()
	l.keeper.Wait()
	l.r.words.keep(l.kept(), adsum.Override{})
	tried := "withdraw " + l.service + "/" + l.id
	if err := l.acquire(ctx); err != nil { // an Update may be under way
		return l.r.explain(tried, err)
	}
	defer l.release()
	lost := l.Err()
	if errors.Is(lost, adsum.ErrSuperseded) {
		return nil
	}
	held, err := l.r.look(ctx, l.service, l.id)
	// After a loss the same owner may have registered again since.
	if err == nil && held != nil && held.claim.Owner == l.claim.Owner && (lost == nil || held.dirty == l.tried) {
		err = l.r.withdraw(ctx, l.service, l.id)
	}
	return l.r.explain(tried, err)
}
