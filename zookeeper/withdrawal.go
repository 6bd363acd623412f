package zookeeper

import (
	"context"
	"errors"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum/codec"
)

// withdraw deletes what this lease wrote, as far as it is still there.
func (l *lease) withdraw(ctx context.Context) error {
	for {
		p, err := l.s.look(ctx, l.nodes, l.publicOnly)
		if err != nil {
			return err
		}
		var ops []any
		for path, n := range map[string]*node{l.nodes.public: p.public, l.nodes.record: p.record} {
			if n != nil && l.owns(n) {
				ops = append(ops, &zk.DeleteRequest{Path: path, Version: n.stat.Version})
			}
		}
		if len(ops) == 0 {
			return nil
		}
		err = l.s.multi(ctx, ops)
		if !errors.Is(err, zk.ErrNoNode) && !errors.Is(err, zk.ErrBadVersion) {
			return err
		}
	}
}

// owns tells whether this lease wrote a node. A format that does not name its
// owner leaves only the session to go by.
func (l *lease) owns(n *node) bool {
	if n.stat.EphemeralOwner != l.s.id() {
		return false
	}
	record, err := codec.Decode("x", "x", n.data)
	return err == nil && (record.Claim.Owner == "" || record.Claim.Owner == l.claim.Owner)
}

// withdrawal is the deletion of a record in the background, while the session
// that keeps it lives on.
type withdrawal struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// grace is how long a lost record is left to its owner, who may have to pause
// before it registers again, once the session that keeps it is back.
const grace = 20 * time.Second

// withdrawLater deletes what a lease may have written, once the ensemble can
// be reached again and for so long, unless the session ends first, or the same
// owner registers again.
func (r *Registry) withdrawLater(l *lease, delay time.Duration) {
	ctx, cancel := context.WithCancel(l.s.ctx)
	w := &withdrawal{cancel, make(chan struct{})}
	r.mu.Lock()
	before := r.withdrawals[l.claim.Owner]
	r.withdrawals[l.claim.Owner] = w
	r.mu.Unlock()
	work := func() {
		defer close(w.done)
		defer cancel()
		if before != nil {
			<-before.done
		}
		for ctx.Err() == nil {
			if l.s.await(ctx) == nil && wait(ctx, delay) && l.acquire(ctx) == nil {
				err := l.withdraw(ctx)
				l.release()
				if err == nil || denied(err) {
					break
				}
			}
			pause(ctx, r.opts.Heartbeat)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.withdrawals[l.claim.Owner] == w {
			delete(r.withdrawals, l.claim.Owner)
		}
	}
	if !r.spawn(work) {
		cancel()
		close(w.done)
	}
}

// stopWithdrawal has nothing of an owner deleted any more.
func (r *Registry) stopWithdrawal(owner string) {
	r.mu.Lock()
	w := r.withdrawals[owner]
	r.mu.Unlock()
	if w != nil {
		w.cancel()
		<-w.done
	}
}
