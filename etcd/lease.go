package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// lease is one published record, on an etcd lease of its own.
type lease struct {
	r       *Registry
	name    string // service/id, for errors
	keys    keys
	id      clientv3.LeaseID
	ttl     time.Duration
	renewed time.Time // when the server last confirmed the lease

	// publicOnly tells that there is no right to the private part.
	publicOnly bool

	// turn holds a token while nobody writes the record, so that waiting
	// for it can end with a context. It guards the fields below.
	turn     chan struct{}
	claim    adsum.Claim
	in       adsum.Instance // the owner's own word
	override adsum.Override
	held     values // what lies in the registry now

	ctx    context.Context // ends with the keeping of the lease
	cancel context.CancelFunc
	kept   sync.WaitGroup // keepAlive and vigil

	mu     sync.Mutex
	err    error // why it was lost; guarded by mu
	closed bool  // guarded by mu
	lost   chan struct{}
}

func newLease(r *Registry, in adsum.Instance, claim adsum.Claim) *lease {
	ctx, cancel := context.WithCancel(r.ctx)
	l := &lease{
		r: r, name: in.Service + "/" + in.ID, keys: r.layout.keys(in.Service, in.ID), in: in.Clone(), claim: claim,
		turn: make(chan struct{}, 1), lost: make(chan struct{}),
		ctx: ctx, cancel: cancel,
	}
	l.turn <- struct{}{}
	return l
}

// values are the contents of an instance's two records, nil for one that is
// not to be there.
type values struct{ public, record []byte }

// values decides what lies where. Foreign programs see the public record, so
// it is there only while the instance may be called, the operator's word
// considered. The private one is there when the public one is not, or cannot
// say everything. Both say the instance's own word: readers apply overrides.
func (l *lease) values(claim adsum.Claim) (values, error) {
	record := codec.Record{Instance: l.in, Claim: claim}
	var v values
	public, err := l.r.opts.Format.Encode(record)
	if err != nil {
		return v, err
	}
	callable := l.override.Apply(l.in).Status.Callable()
	if callable {
		v.public = public
	}
	if l.publicOnly || callable && l.r.opts.Format.Complete() {
		return v, nil
	}
	v.record, err = codec.Native.Encode(record)
	return v, err
}

// writes are the operations that bring both records to the values.
func (l *lease) writes(v values) []clientv3.Op {
	ops := []clientv3.Op{l.write(l.keys.public, v.public)}
	if !l.publicOnly {
		ops = append(ops, l.write(l.keys.record, v.record))
	}
	return ops
}

func (l *lease) write(key string, value []byte) clientv3.Op {
	if value == nil {
		return clientv3.OpDelete(key)
	}
	return clientv3.OpPut(key, string(value), clientv3.WithLease(l.id))
}

// wrote notes what lies in the registry since the revision.
func (l *lease) wrote(v values, revision int64) {
	l.held = v
	last := tenure{lease: l.id, revision: revision}
	switch {
	case v.public != nil:
		last.key = l.keys.public
	case v.record != nil:
		last.key = l.keys.record
	}
	l.r.remember(l.claim.Owner, last)
}

// unmoved is the condition that the records are those that this lease holds.
func (l *lease) unmoved() []clientv3.Cmp {
	conditions := []clientv3.Cmp{l.still(l.keys.public, l.held.public)}
	if !l.publicOnly {
		conditions = append(conditions, l.still(l.keys.record, l.held.record))
	}
	return conditions
}

func (l *lease) still(key string, held []byte) clientv3.Cmp {
	if held == nil {
		return clientv3.Compare(clientv3.Version(key), "=", 0)
	}
	return clientv3.Compare(clientv3.LeaseValue(key), "=", l.id)
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
	l.err = fmt.Errorf("etcd: %s: %w", l.name, why)
	if errors.Is(why, adsum.ErrSuperseded) {
		l.r.forget(l.claim.Owner, l.id) // it does not come back
	}
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
	if err := in.Validate(); err != nil {
		return err
	}
	tried := "update " + in.String()
	if err := l.acquire(ctx); err != nil {
		return l.r.explain(tried, err)
	}
	defer l.release()
	if in.Service != l.in.Service || in.ID != l.in.ID {
		return &adsum.InvalidError{Field: "instance", Value: strconv.Quote(in.String()), Problem: "it is not the one registered, " + l.in.String(),
			Fix: "keep service and id, or register anew"}
	}
	if err := l.Err(); err != nil {
		return err
	}
	if l.ctx.Err() != nil {
		return fmt.Errorf("etcd: %s: %w: the lease was closed", tried, adsum.ErrLeaseLost)
	}
	before := l.in
	l.in = in.Clone()
	err := l.rewrite(ctx, l.unmoved())
	if err != nil {
		l.in = before
	}
	if errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded) {
		l.lose(err)
		return l.Err()
	}
	return l.r.explain(tried, err)
}

// rewrite brings the registry to what the instance and the override say, on
// the condition that the records are as expected, or else still this lease's.
// The caller has the turn.
func (l *lease) rewrite(ctx context.Context, expected []clientv3.Cmp) error {
	v, err := l.values(l.claim)
	if err != nil {
		return err
	}
	for {
		answer, err := l.r.commit(ctx, expected, l.writes(v), nil)
		switch {
		case isLeaseNotFound(err):
			return fmt.Errorf("%w: it ran out", adsum.ErrLeaseLost)
		case err != nil:
			return err
		case answer.Succeeded:
			l.wrote(v, answer.Header.Revision)
			return nil
		}
		p, err := l.r.look(ctx, l.keys, l.publicOnly)
		if err != nil {
			return err
		}
		if err := l.verdict(p); err != nil {
			return err
		}
		expected = p.unchanged(l.keys, l.publicOnly)
	}
}

// Close implements [adsum.Lease]. Revoking deletes exactly the keys that are
// attached to this lease, in one transaction of the server: a record that
// another owner wrote since is attached to that one's.
func (l *lease) Close(ctx context.Context) error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	l.cancel()
	l.kept.Wait()
	tried := "withdraw " + l.name
	if err := l.acquire(ctx); err != nil { // an Update may be under way
		return l.r.explain(tried, err)
	}
	defer l.release()
	l.r.forget(l.claim.Owner, l.id)
	ctx, cancel := l.r.request(ctx)
	defer cancel()
	if _, err := l.r.client.Revoke(ctx, l.id); err != nil && !isLeaseNotFound(err) {
		return l.r.explain(tried, err)
	}
	return nil
}
