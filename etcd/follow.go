package etcd

import (
	"context"
	"fmt"
	"math"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/adsum-go/adsum"
)

// follower is what a watch keeps up to date: the instances of a service, or
// the names of services.
type follower interface {
	// load takes the listing that a watch begins with, and its revision.
	load(kvs []*mvccpb.KeyValue, revision int64)
	// apply takes one event.
	apply(*mvccpb.Event)
	// torn reports whether the events so far may be one half of a
	// transaction, such as a record that left one prefix and was not yet
	// seen to arrive at the other. It must not be emitted then.
	torn() bool
	// mend says that every event up to the revision was applied.
	mend(revision int64)
	// emit hands out the complete state.
	emit()
}

// follow lists the prefixes at one revision, watches what comes after, and
// returns nil when ctx ended, or else why the watch broke.
func (r *Registry) follow(ctx context.Context, f follower, tried string, keysOnly bool, public, private string) error {
	ctx, stop := r.bind(ctx)
	defer stop()
	err := r.followBoth(ctx, f, keysOnly, public, private)
	if r.ctx.Err() == nil && ctx.Err() != nil {
		return nil
	}
	return r.explain(tried, err)
}

// bind ends a context with the registry too.
func (r *Registry) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

func (r *Registry) followBoth(ctx context.Context, f follower, keysOnly bool, public, private string) error {
	prefixes := []string{public, private}
	kvs, revision, err := r.list(ctx, keysOnly, prefixes...)
	if forbidden(err) {
		noRight := err
		prefixes = prefixes[:1]
		if kvs, revision, err = r.list(ctx, keysOnly, prefixes...); err == nil {
			r.missingRight(noRight)
		}
	}
	if err != nil {
		return err
	}
	f.load(kvs, revision)
	f.emit()
	ranges := make([]keyRange, len(prefixes))
	for i, prefix := range prefixes {
		ranges[i] = prefixRange(prefix)
	}
	s, err := r.openStream(ctx, revision, ranges...)
	if err != nil {
		return err
	}
	defer s.close()
	return r.pump(ctx, f, s)
}

// Answers to askProgress that a torn state waits for are asked for again at
// this pace, as a server that is behind does not answer, and waited for no
// longer than this: servers older than etcd 3.4 never answer.
const (
	barrierRetry   = 50 * time.Millisecond
	barrierTimeout = 2 * time.Second
)

// pump applies what the stream brings and emits after each batch.
func (r *Registry) pump(ctx context.Context, f follower, s *stream) error {
	// Half the heartbeat between questions leaves the answer the other half.
	// Three without an answer, and the watch is silent.
	interval := r.opts.Heartbeat / 2
	pulse := time.NewTicker(interval)
	defer pulse.Stop()
	barrier := time.NewTimer(time.Hour)
	defer barrier.Stop()
	heard, tornSince := time.Now(), time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pulse.C:
			if silent := time.Since(heard); silent > 3*interval {
				r.conns.unansweredStream(s.wire, heard.Add(interval))
				return fmt.Errorf("%w: nothing heard for %v", adsum.ErrSilent, silent.Round(time.Millisecond))
			}
			if err := s.askProgress(); err != nil {
				return err
			}
			continue
		case <-barrier.C:
			if time.Since(tornSince) < barrierTimeout {
				if err := s.askProgress(); err != nil {
					return err
				}
				barrier.Reset(barrierRetry)
				continue
			}
			f.mend(math.MaxInt64)
		case response, ok := <-s.responses:
			if !ok {
				return s.err
			}
			heard = time.Now()
			if !takeBatch(f, s, response) {
				continue
			}
		}
		if !f.torn() {
			tornSince = time.Time{}
			f.emit()
			continue
		}
		if tornSince.IsZero() {
			tornSince = time.Now()
			barrier.Reset(0)
		}
	}
}

// maxBatch bounds how many responses one emission may wait for.
const maxBatch = 64

// takeBatch applies a response and those that already wait behind it, so that
// a burst is one emission. It reports whether there is anything to emit: only
// the answer to a create request says nothing.
func takeBatch(f follower, s *stream, response *pb.WatchResponse) bool {
	news := take(f, response)
	for range maxBatch {
		select {
		case next, ok := <-s.responses:
			if !ok {
				return news // the next receive finds the reason
			}
			news = take(f, next) || news
		default:
			return news
		}
	}
	return news
}

func take(f follower, response *pb.WatchResponse) (news bool) {
	for _, event := range response.Events {
		f.apply(event)
	}
	if isProgress(response) {
		f.mend(response.Header.Revision)
	}
	return !response.Created
}
