package zookeeper

import (
	"context"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
)

// Watch implements [adsum.Registry]. It costs the server a watch on each
// directory and on each record. A server that froze makes it fail with
// [adsum.ErrSilent] within half of [Options.Heartbeat] and [Options.Timeout].
func (r *Registry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	if err := adsum.ValidateService(service); err != nil {
		return err
	}
	return r.follow(ctx, newView(r, service, emit), "watch service "+service)
}

// follower is what a watch keeps up to date: the instances of a service, or
// the names of services.
type follower interface {
	// load reads everything, and says what to be told of.
	load(context.Context, *reader) error
	// update reads what something happened to.
	update(ctx context.Context, changed map[string]bool) error
	// torn reports whether these changes may be one half of a transaction,
	// such as a record that left one directory and was not yet seen to
	// arrive in the other. Nothing must be emitted then.
	torn(changed map[string]bool) bool
	// prove reads as little as tells that nothing was missed, and returns
	// what was.
	prove(context.Context) (missed map[string]bool, err error)
	// emit hands out the complete state.
	emit()
}

// follow returns nil when ctx ended, or else why the watch broke.
func (r *Registry) follow(ctx context.Context, f follower, tried string) error {
	ctx, stop := r.bind(ctx)
	defer stop()
	err := r.followOn(ctx, f)
	if r.ctx.Err() == nil && ctx.Err() != nil {
		return nil
	}
	return r.explain(tried, err)
}

func (r *Registry) followOn(ctx context.Context, f follower) error {
	s, err := r.shared(ctx)
	if err != nil {
		return err
	}
	down := s.downs()
	reader := s.newReader()
	defer reader.close()
	// A server that lags behind the one before would show the past.
	if err := s.sync(ctx, "/"); err != nil {
		return err
	}
	if err := f.load(ctx, reader); err != nil {
		return err
	}
	pulse := time.NewTicker(r.opts.Heartbeat / 2)
	defer pulse.Stop()
	for {
		if err := catchUp(ctx, f, reader); err != nil {
			return err
		}
		f.emit()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-down:
			return s.disconnection()
		case <-reader.wake:
		case <-pulse.C:
			missed, err := f.prove(ctx)
			if err != nil {
				return fmt.Errorf("%w: %w", adsum.ErrSilent, err)
			}
			if err := f.update(ctx, missed); err != nil {
				return err
			}
		}
	}
}

// tornFor bounds how long a busy service may keep a watch from emitting.
const tornFor = 2 * time.Second

// catchUp reads until there is nothing new, or nothing that could be half of
// something. The server tells of a change before it shows it, so what was read
// while nothing was told is of one moment.
func catchUp(ctx context.Context, f follower, reader *reader) error {
	begin := time.Now()
	for {
		changed := reader.take()
		if len(changed) == 0 {
			return nil
		}
		if err := f.update(ctx, changed); err != nil {
			return err
		}
		if !f.torn(reader.pending()) || time.Since(begin) > tornFor {
			return nil
		}
	}
}
