package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
)

// vigil watches over the lease's own keys, which keepAlive cannot see: it
// notices when somebody deletes or overwrites them, and obeys an override. A
// watch tells it when to look; it also looks now and then by itself.
func (l *lease) vigil() {
	for l.ctx.Err() == nil {
		revision, err := l.inspect()
		if err == nil {
			l.watchOwn(revision)
		}
		l.pause(l.r.opts.Heartbeat)
	}
}

// pause waits for about d, or until the lease ends.
func (l *lease) pause(d time.Duration) {
	select {
	case <-time.After(d/2 + rand.N(d/2+1)):
	case <-l.ctx.Done():
	}
}

// watchOwn inspects after every event on the own keys, and about once in two
// heartbeats without any, until the stream breaks.
func (l *lease) watchOwn(revision int64) {
	s, err := l.r.openOwn(l.ctx, l.keys, revision, l.publicOnly)
	if err != nil {
		return
	}
	defer s.close()
	look := time.NewTicker(2 * l.r.opts.Heartbeat)
	defer look.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-look.C:
		case response, ok := <-s.responses:
			if !ok {
				return
			}
			if len(response.Events) == 0 {
				continue
			}
		}
		if _, err := l.inspect(); err != nil {
			return
		}
	}
}

// openOwn watches the keys of one instance for what happens after a revision.
func (r *Registry) openOwn(ctx context.Context, k keys, since int64, publicOnly bool) (*stream, error) {
	ranges := []keyRange{{k.public, ""}}
	if !publicOnly {
		ranges = append(ranges, prefixRange(k.own()))
	}
	return r.openStream(ctx, since, ranges...)
}

// inspect compares the registry with what this lease holds, and acts: it
// gives the lease up, or brings the records in line with what the owner and an
// override say. It returns the revision it looked at.
func (l *lease) inspect() (int64, error) {
	if err := l.acquire(l.ctx); err != nil {
		return 0, err
	}
	defer l.release()
	p, err := l.r.look(l.ctx, l.keys, l.publicOnly)
	if err != nil {
		return 0, err
	}
	if err := l.verdict(p); err != nil {
		l.giveUp(err)
		return 0, err
	}
	if p.override == l.override && l.says(p) {
		return p.revision, nil
	}
	before := l.override
	l.override = p.override
	if err := l.rewrite(l.ctx, p.unchanged(l.keys, l.publicOnly)); err != nil {
		l.override = before
		if errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded) {
			l.giveUp(err)
		}
		return 0, err
	}
	return p.revision, nil
}

// says tells whether the records are as this lease wrote them last. They are
// not when somebody changed one of two, when the answer to a write was lost,
// or when the registry was restored from a backup.
func (l *lease) says(p place) bool {
	return bytes.Equal(p.public.GetValue(), l.held.public) && bytes.Equal(p.record.GetValue(), l.held.record)
}

// giveUp loses the lease. One that was superseded has nothing left to keep;
// one that was lost is revoked when the owner registers again.
func (l *lease) giveUp(why error) {
	l.lose(why)
	if errors.Is(why, adsum.ErrSuperseded) {
		l.r.withdraw(l.id)
	}
}

// verdict says whether the place is still this lease's. Who wrote a record
// under a lease of their own has gone through the claims, or is a foreign
// program: younger either way, unless the number says otherwise; then a
// restored registry shows an owner of the past, and registering again decides.
// What lies there without a lease is nobody's.
func (l *lease) verdict(p place) error {
	h := p.holder()
	if h.lease != 0 && h.lease != l.id && h.claim.Owner != l.claim.Owner && h.claim.Incarnation > l.claim.Incarnation {
		return fmt.Errorf("%w: the record is now on lease %x", adsum.ErrSuperseded, h.lease)
	}
	ours := clientv3.LeaseID(p.public.GetLease()) == l.id || clientv3.LeaseID(p.record.GetLease()) == l.id
	if nothing := l.held.public == nil && l.held.record == nil; !ours && !nothing {
		return fmt.Errorf("%w: somebody removed the record or took it off its lease", adsum.ErrLeaseLost)
	}
	return nil
}
