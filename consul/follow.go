package consul

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// follower is what a watch keeps up to date: the instances of a service, or
// the names of services.
type follower interface {
	// ask puts the question. What take returns nil for is the state from
	// then on; it is called by the goroutine that emits.
	ask(*api.QueryOptions) (take func(context.Context) error, meta *api.QueryMeta, err error)
	// probe asks for the index alone.
	probe(*api.QueryOptions) (*api.QueryMeta, error)
	// refresh reads what the question does not cover.
	refresh(context.Context) error
	// emit hands out the complete state.
	emit()
	// due is how long until the state changes by itself, 0 for never.
	due() time.Duration
}

const (
	// longPoll is for how long the agent holds a question to which there is
	// no new answer.
	longPoll = time.Minute
	// A service that changes all the time costs ten answers a second; the
	// first few after a quiet time are asked for at once.
	pace  = 100 * time.Millisecond
	burst = 5
)

// follow asks again and again, and returns nil when ctx ended, or else why
// the watch broke.
func (r *Registry) follow(ctx context.Context, f follower, tried string) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.ctx, cancel)
	defer func() { stop(); cancel() }()
	err := r.poll(ctx, f)
	if r.ctx.Err() == nil && ctx.Err() != nil {
		return nil
	}
	return r.explain(tried, err)
}

func (r *Registry) poll(ctx context.Context, f follower) error {
	var index uint64
	due := time.Now() // when the next question is if they keep pace
	for {
		a := r.wait(ctx, f, index)
		if errors.Is(a.err, errAskAgain) {
			index = 0
			continue
		}
		if a.err != nil {
			return a.err
		}
		if err := r.fresh(a.meta); err != nil {
			return err
		}
		if err := a.take(ctx); err != nil {
			return err
		}
		if err := f.refresh(ctx); err != nil {
			return err
		}
		f.emit()
		index = nextIndex(index, a.meta.LastIndex)
		now := time.Now()
		if due = due.Add(pace); due.Before(now) {
			due = now
		}
		if err := sleep(ctx, due.Sub(now)-burst*pace); err != nil {
			return err
		}
	}
}

// nextIndex is what to wait for: from the beginning when the index went back,
// and never for 0, which does not wait.
func nextIndex(before, now uint64) uint64 {
	if now < before {
		return 0
	}
	return max(now, 1)
}

// fresh refuses an answer of a server that is too far behind.
func (r *Registry) fresh(meta *api.QueryMeta) error {
	if limit := r.opts.MaxStale; limit > 0 && meta.LastContact > limit {
		return fmt.Errorf("the server was last in contact with the leader %v ago, %v is allowed", meta.LastContact, limit)
	}
	return nil
}

// answer is what one question brought.
type answer struct {
	take func(context.Context) error
	meta *api.QueryMeta
	err  error
}

// errAskAgain says that the question is not worth waiting for: the index went
// back, or on without an answer. Of a service without instances the latter is
// no fault: Consul lets only instances end that wait.
var errAskAgain = errors.New("ask again from the beginning")

// wait puts one question, and while the agent holds it, looks every half
// heartbeat whether it still knows what it did: one that lost its memory
// would let the question rest until its index has caught up.
func (r *Registry) wait(ctx context.Context, f follower, index uint64) answer {
	ctx, cancel := context.WithTimeout(ctx, longPoll+longPoll/16+r.opts.Timeout)
	answers := make(chan answer, 1)
	go func() {
		q := r.reading(query(ctx))
		q.WaitIndex, q.WaitTime = index, longPoll
		take, meta, err := f.ask(q)
		answers <- answer{take, meta, err}
	}()
	a, answered := r.attend(ctx, f, index, answers)
	cancel()
	if !answered {
		<-answers
	}
	return a
}

// attend waits for the answer; the second result is false if it still is to
// come.
func (r *Registry) attend(ctx context.Context, f follower, index uint64, answers <-chan answer) (answer, bool) {
	pulse := time.NewTicker(r.opts.Heartbeat / 2)
	defer pulse.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for behind := 0; ; {
		if d := f.due(); d > 0 {
			due.Reset(d)
		}
		select {
		case a := <-answers:
			return a, true
		case <-due.C:
			f.emit()
		case <-pulse.C:
			now, err := r.feel(ctx, f)
			switch {
			case err != nil:
				return answer{err: fmt.Errorf("%w: %w", adsum.ErrSilent, err)}, false
			case index == 0: // a long answer takes its time
				continue
			case now > index:
				behind++ // the answer may be on its way
			default:
				behind = 0
			}
			if now < index || behind > 2 {
				return answer{err: errAskAgain}, false
			}
			if err := f.refresh(ctx); err != nil {
				return answer{err: err}, false
			}
			f.emit()
		}
	}
}

// feel asks for the index alone.
func (r *Registry) feel(ctx context.Context, f follower) (uint64, error) {
	ctx, cancel := r.request(ctx)
	defer cancel()
	meta, err := f.probe(r.reading(query(ctx)))
	if err != nil {
		return 0, err
	}
	return meta.LastIndex, r.fresh(meta)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
