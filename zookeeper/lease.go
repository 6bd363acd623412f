package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// lease is one published record, kept by a session.
type lease struct {
	r          *Registry
	s          *session
	name       string // service/id, for errors
	nodes      nodes
	registered time.Time

	// publicOnly tells that there is no right to the private part.
	publicOnly bool

	// turn holds a token while nobody writes the record, so that waiting
	// for it can end with a context. It guards the fields below.
	turn     chan struct{}
	claim    adsum.Claim
	in       adsum.Instance // the owner's own word
	override adsum.Override
	held     values // what was written last
	at       place  // and the versions of its nodes

	ctx    context.Context // ends with the keeping of the lease
	cancel context.CancelFunc
	kept   sync.WaitGroup // the vigil

	mu     sync.Mutex
	err    error // why it was lost; guarded by mu
	closed bool  // guarded by mu
	lost   chan struct{}
}

func newLease(s *session, in adsum.Instance, claim adsum.Claim) *lease {
	ctx, cancel := context.WithCancel(s.leaseTerm())
	l := &lease{
		r: s.r, s: s, name: in.Service + "/" + in.ID, nodes: s.r.layout.nodes(in.Service, in.ID), registered: time.Now(),
		in: in.Clone(), claim: claim, turn: make(chan struct{}, 1), lost: make(chan struct{}), ctx: ctx, cancel: cancel,
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
	record := codec.Record{Instance: l.in, Claim: claim, Registered: l.registered}
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

// wrote notes what lies in the registry now, from the answers to the
// operations that brought it there.
func (l *lease) wrote(v values, ops []any, results []zk.MultiResponse) {
	l.held, l.at = v, place{}
	for i, op := range ops {
		n := &node{stat: zk.Stat{EphemeralOwner: l.s.id()}}
		var path string
		switch op := op.(type) {
		case *zk.CreateRequest:
			path = op.Path
		case *zk.SetDataRequest:
			path, n.stat = op.Path, *results[i].Stat
		default:
			continue
		}
		if path == l.nodes.public {
			l.at.public = n
		} else {
			l.at.record = n
		}
	}
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
	l.err = fmt.Errorf("zookeeper: %s: %w", l.name, why)
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
		return fmt.Errorf("zookeeper: %s: %w: the lease is over", tried, adsum.ErrLeaseLost)
	}
	before := l.in
	l.in = in.Clone()
	err := l.rewrite(ctx, l.at)
	if err != nil {
		l.in = before
	}
	if errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded) {
		l.lose(err)
		return l.Err()
	}
	return l.r.explain(tried, err)
}

// rewrite brings the registry to what the instance and the override say, from
// what is expected there, or else from what is found, if that is still this
// lease's. The caller has the turn.
func (l *lease) rewrite(ctx context.Context, expected place) error {
	for {
		done, err := l.write(ctx, expected, l.claim)
		if errors.Is(err, errOver) {
			return fmt.Errorf("%w: %w", adsum.ErrLeaseLost, err)
		}
		if err != nil || done {
			return err
		}
		if expected, err = l.s.look(ctx, l.nodes, l.publicOnly); err != nil {
			return err
		}
		if err := l.verdict(expected); err != nil {
			return err
		}
	}
}

// Close implements [adsum.Lease]. It looks whose record it is and then deletes
// it at the version that it saw; of an owner that takes the place in between
// only a fresh node has that version, and that owner's vigil writes it again.
func (l *lease) Close(ctx context.Context) error {
	l.mu.Lock()
	again, lost := l.closed, l.err != nil
	l.closed = true
	l.mu.Unlock()
	if again || lost {
		return nil
	}
	l.cancel()
	l.kept.Wait()
	tried := "withdraw " + l.name
	if err := l.acquire(ctx); err != nil { // an Update may be under way
		l.r.withdrawLater(l, 0)
		return l.r.explain(tried, err)
	}
	err := l.withdraw(ctx)
	l.release()
	if err != nil && !errors.Is(err, errOver) {
		l.r.withdrawLater(l, 0)
		return l.r.explain(tried, err)
	}
	return nil
}
