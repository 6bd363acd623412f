package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Register implements [adsum.Registry]: it writes the record as an ephemeral
// node of a session, taking the place of an older owner in one transaction.
func (r *Registry) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	in = in.WithDefaults()
	if err := errors.Join(in.Validate(), r.Validate(in)); err != nil {
		return nil, err
	}
	tried := "register " + in.String()
	s, err := r.session(ctx, r.Capabilities().ClampTTL(opts.TTL))
	if err != nil {
		return nil, r.explain(tried, err)
	}
	r.stopWithdrawal(opts.Claim.Owner)
	l := newLease(s, in, opts.Claim)
	if err := l.establish(ctx); err != nil {
		l.cancel()
		return nil, r.explain(tried, err)
	}
	return l, nil
}

// establish writes the record and begins to watch over it.
func (l *lease) establish(ctx context.Context) error {
	err := l.take(ctx)
	if err == nil {
		l.r.forget(l.claim.Owner)
		l.kept.Add(1)
		if l.r.spawn(func() { defer l.kept.Done(); l.vigil() }) {
			return nil
		}
		l.kept.Done()
		err = adsum.ErrClosed
	}
	if !errors.Is(err, adsum.ErrSuperseded) && !denied(err) && !errors.Is(err, errHeld) {
		l.r.withdrawLater(l, 0) // the server may have done what it did not answer
	}
	return err
}

// Validate implements [adsum.Validator]: it refuses what the format cannot
// hold.
func (r *Registry) Validate(in adsum.Instance) error {
	record := codec.Record{Instance: in, Claim: adsum.Claim{Owner: longestOwner, Incarnation: math.MaxInt64}}
	_, public := r.opts.Format.Encode(record)
	_, private := codec.Native.Encode(record)
	return errors.Join(public, private)
}

// longestOwner stands for the owner's token while that is not known.
const longestOwner = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// take writes the record, if the claim allows it, and without the private part
// if there is no right to that.
func (l *lease) take(ctx context.Context) error {
	err := l.takePlace(ctx)
	if err == nil || !denied(err) {
		return err
	}
	noRight := err
	l.publicOnly = true
	if err = l.takePlace(ctx); err == nil {
		l.r.missingRight(noRight)
	}
	return err
}

func (l *lease) takePlace(ctx context.Context) error {
	// What another server committed must be seen, also by its number.
	if err := l.s.sync(ctx, "/"); err != nil {
		return err
	}
	for {
		p, err := l.s.look(ctx, l.nodes, l.publicOnly)
		if err != nil {
			return err
		}
		claim, err := l.r.arbitrate(p, l.claim)
		if err != nil {
			return err
		}
		l.override = p.override
		done, err := l.write(ctx, p, claim)
		if err != nil {
			return err
		}
		if done {
			l.claim = claim
			return nil
		}
		// Somebody wrote between the reading and the writing; look again.
	}
}

// write brings the nodes from what was found there to what is to be there. It
// is false if somebody changed them meanwhile. The caller has the turn.
func (l *lease) write(ctx context.Context, found place, claim adsum.Claim) (done bool, err error) {
	v, err := l.values(claim)
	if err != nil {
		return false, err
	}
	ops := l.change(nil, l.nodes.public, found.public, v.public)
	if !l.publicOnly {
		ops = l.change(ops, l.nodes.record, found.record, v.record)
	}
	var results []zk.MultiResponse
	if len(ops) > 0 {
		results, err = request(ctx, l.s, func(c *zk.Conn) ([]zk.MultiResponse, error) { return c.Multi(ops...) })
	}
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return false, l.makeRoom(ctx)
	case errors.Is(err, zk.ErrBadVersion), errors.Is(err, zk.ErrNodeExists):
		return false, nil
	case errors.Is(err, zk.ErrNotEmpty):
		return false, fmt.Errorf("what lies at %s is a directory: %w", l.nodes.public, err)
	case err != nil:
		return false, err
	}
	l.wrote(v, ops, results)
	return true, nil
}

// change adds what brings one node to its value. What another session keeps
// is replaced, as a node does not change its owner.
func (l *lease) change(ops []any, path string, now *node, value []byte) []any {
	own := now != nil && now.stat.EphemeralOwner == l.s.id()
	if own && value != nil {
		return append(ops, &zk.SetDataRequest{Path: path, Data: value, Version: now.stat.Version})
	}
	if now != nil {
		ops = append(ops, &zk.DeleteRequest{Path: path, Version: now.stat.Version})
	}
	if value != nil {
		ops = append(ops, &zk.CreateRequest{Path: path, Data: value, Acl: l.r.opts.ACL, Flags: zk.FlagEphemeral})
	}
	return ops
}

// makeRoom makes the directories. They may be gone again before they are
// used: empty ones do not last.
func (l *lease) makeRoom(ctx context.Context) error {
	if err := l.s.ensure(ctx, parent(l.nodes.public)); err != nil || l.publicOnly {
		return err
	}
	return l.s.ensure(ctx, parent(l.nodes.record))
}
