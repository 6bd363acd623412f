package etcd

import (
	"context"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
)

// start begins to keep the lease. It is false if the registry was closed.
func (l *lease) start() bool {
	l.kept.Add(2)
	ok := l.r.spawn(func() { defer l.kept.Done(); l.keepAlive() }) &&
		l.r.spawn(func() { defer l.kept.Done(); l.vigil() })
	return ok
}

// keepAlive renews the lease three times in its TTL until it is closed or
// lost. It asks for no leader: a cluster between two leaders still answers
// within the TTL. An error does not mean that the lease is gone, as a server
// that comes back grants it its full TTL again; only when no answer came for
// a whole TTL is it given up. Registering again then takes a new lease and
// moves the record over.
func (l *lease) keepAlive() {
	stream := &renewals{lease: pb.NewLeaseClient(l.r.client.ActiveConnection()), id: l.id, conns: l.r.conns}
	defer stream.close()
	wait := l.ttl / 3
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
		ttl, err := stream.renew(l.ctx, min(l.ttl/3, l.r.opts.Timeout))
		switch {
		case err == nil && ttl <= 0:
			l.lose(fmt.Errorf("%w: the registry does not know it any more", adsum.ErrLeaseLost))
		case err == nil:
			l.renewed, wait = time.Now(), l.ttl/3
		case time.Since(l.renewed) > l.ttl:
			l.lose(fmt.Errorf("%w: the registry did not answer for %v: %w", adsum.ErrLeaseLost, l.ttl, err))
		default:
			wait = l.ttl / 10
		}
	}
}

// renewals is the stream on which one lease is renewed; it is opened when
// needed and dropped after an error.
type renewals struct {
	lease  pb.LeaseClient
	id     clientv3.LeaseID
	conns  *conns
	wire   pb.Lease_LeaseKeepAliveClient
	cancel context.CancelFunc
}

// renew asks once and waits for the answer, no longer than the timeout.
func (s *renewals) renew(ctx context.Context, timeout time.Duration) (ttl int64, err error) {
	if s.cancel == nil {
		ctx, s.cancel = context.WithCancel(ctx)
	}
	asked := time.Now()
	late := time.AfterFunc(timeout, s.cancel)
	ttl, err = s.ask(ctx)
	if !late.Stop() {
		err = fmt.Errorf("no answer within %v", timeout)
		if s.wire != nil {
			s.conns.unansweredStream(s.wire, asked)
		}
	}
	if err != nil {
		s.close()
	}
	return ttl, err
}

// ask opens the stream in ctx if there is none.
func (s *renewals) ask(ctx context.Context) (int64, error) {
	if s.wire == nil {
		wire, err := s.lease.LeaseKeepAlive(ctx)
		if err != nil {
			return 0, err
		}
		s.wire = wire
	}
	// An error of Send is only EOF; Recv says why.
	_ = s.wire.Send(&pb.LeaseKeepAliveRequest{ID: int64(s.id)})
	answer, err := s.wire.Recv()
	return answer.GetTTL(), err
}

func (s *renewals) close() {
	if s.cancel != nil {
		s.cancel()
	}
	s.wire, s.cancel = nil, nil
}
