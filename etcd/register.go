package etcd

import (
	"context"
	"errors"
	"math"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Register implements [adsum.Registry]: it takes a new lease, writes the
// record under it in one transaction, and then revokes the lease that the
// same owner held before, so that a record that comes back never blinks.
func (r *Registry) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	in = in.WithDefaults()
	if err := errors.Join(in.Validate(), r.Validate(in)); err != nil {
		return nil, err
	}
	l := newLease(r, in, opts.Claim)
	if err := l.establish(ctx, opts.TTL); err != nil {
		l.cancel()
		return nil, r.explain("register "+in.String(), err)
	}
	return l, nil
}

// establish brings a new lease to where it is kept. When that fails, nothing
// is left of it, or it runs out.
func (l *lease) establish(ctx context.Context, ttl time.Duration) error {
	if err := l.grant(ctx, ttl); err != nil {
		return err
	}
	before := l.r.tenure(l.claim.Owner)
	if err := l.take(ctx); err != nil {
		l.r.withdraw(l.id)
		return err
	}
	if before.lease != 0 {
		l.r.withdraw(before.lease)
	}
	if !l.start() {
		return adsum.ErrClosed
	}
	return nil
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

// grant takes a lease. Its TTL is what the server granted, which may be more.
func (l *lease) grant(ctx context.Context, ttl time.Duration) error {
	ctx, cancel := l.r.request(ctx)
	defer cancel()
	ttl = l.r.Capabilities().ClampTTL(ttl)
	granted, err := l.r.client.Grant(ctx, int64(math.Ceil(ttl.Seconds())))
	if err != nil {
		return err
	}
	l.id, l.ttl, l.renewed = granted.ID, time.Duration(granted.TTL)*time.Second, time.Now()
	return nil
}

// take writes the record, if the claim allows it, and without the private
// part if there is no right to that.
func (l *lease) take(ctx context.Context) error {
	err := l.takePlace(ctx)
	if !forbidden(err) {
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
	for {
		p, err := l.r.look(ctx, l.keys, l.publicOnly)
		if err != nil {
			return err
		}
		claim, err := l.r.arbitrate(ctx, p, l.claim)
		if err != nil {
			return err
		}
		l.override = p.override
		values, err := l.values(claim)
		if err != nil {
			return err
		}
		answer, err := l.r.commit(ctx, p.unchanged(l.keys, l.publicOnly), l.writes(values), nil)
		if err != nil {
			return err
		}
		if answer.Succeeded {
			l.claim = claim
			l.wrote(values, answer.Header.Revision)
			return nil
		}
		// Somebody wrote between the reading and the writing; look again.
	}
}

// withdraw revokes a lease in the background, whatever became of the context
// of the call that took it.
func (r *Registry) withdraw(id clientv3.LeaseID) {
	r.spawn(func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.opts.Timeout)
		defer cancel()
		// A lease that cannot be revoked now runs out by itself.
		_, _ = r.client.Revoke(ctx, id)
	})
}
