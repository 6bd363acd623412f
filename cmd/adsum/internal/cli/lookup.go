package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/adsum-go/adsum"
)

// within bounds the wait for an answer by --timeout (0 waits for ever), and
// ends it early when nothing listens there.
func (f *Factory) within(ctx context.Context) (context.Context, context.CancelFunc) {
	stop := func() {}
	if f.Timeout > 0 {
		ctx, stop = context.WithTimeout(ctx, f.Timeout)
	}
	ctx, fail := context.WithCancelCause(ctx)
	go failWhenRefused(ctx, f.registryURL(), fail)
	return ctx, func() {
		fail(nil)
		stop()
	}
}

// found is a service as a registry lists it.
type found struct {
	adsum.Listing
	registry string // its name, for people
}

// find opens the registry, asks it once for a service, and tells what in it
// nobody can read.
func (f *Factory) find(ctx context.Context, service string) (found, error) {
	registry, err := f.Registry()
	if err != nil {
		return found{}, err
	}
	defer registry.Close()
	listing, err := f.list(ctx, registry, service)
	if err != nil {
		return found{}, err
	}
	f.noteSkipped(listing.Skipped)
	return found{listing, registry.Capabilities().Registry}, nil
}

// noteNone says what there is instead of nothing.
func (f *Factory) noteNone(found found, service, tag string) {
	others := len(found.Instances)
	switch {
	case others == 0:
		f.Notef("no instance of %q in %s", service, found.registry)
	case tag != "":
		f.Notef("none of the %d instances of %q in %s takes calls and carries the tag %q; --all shows those that take none", others, service, found.registry, tag)
	default:
		f.Notef("none of the %d instances of %q in %s takes calls; --all shows why", others, service, found.registry)
	}
}

// list asks the registry once for a service. It takes the driver's first
// answer, or its first error: to try again is the caller's business.
func (f *Factory) list(ctx context.Context, registry adsum.Registry, service string) (adsum.Listing, error) {
	if err := adsum.ValidateService(service); err != nil {
		return adsum.Listing{}, err
	}
	ctx, cancel := f.within(ctx)
	defer cancel()
	asked, enough := context.WithCancel(ctx)
	defer enough()
	var listing adsum.Listing
	answered := false
	err := registry.Watch(asked, service, func(l adsum.Listing) {
		if !answered {
			listing, answered = l, true
			enough()
		}
	})
	if answered {
		return listing, nil
	}
	return adsum.Listing{}, f.explain(ctx, registry, err)
}

// firstAnswer waits until something is known of the service, and fails as list
// does.
func (f *Factory) firstAnswer(ctx context.Context, registry adsum.Registry, view *adsum.View) error {
	bounded, cancel := f.within(ctx)
	defer cancel()
	err := view.Ready(bounded)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return endedWhile(ctx, "waiting for "+registry.Capabilities().Registry)
	}
	if last := view.Snapshot().Err; last != nil {
		err = last
	}
	return f.explain(bounded, registry, err)
}

// explain tells why the registry did not answer, with the exit code for it.
// ctx is what bounded the wait.
func (f *Factory) explain(ctx context.Context, registry adsum.Registry, err error) error {
	name := registry.Capabilities().Registry
	var byHand stopped
	var nobody refused
	switch {
	case errors.As(context.Cause(ctx), &byHand):
		return codedError{exitFailed, byHand}
	case errors.As(context.Cause(ctx), &nobody):
		return codef(exitConnect, "could not connect to %s: %w\n%s", name, nobody, f.hint())
	case errors.Is(err, adsum.ErrUntrusted):
		return codef(exitConnect, "%s: %w", name, err)
	case err != nil && adsum.Final(err):
		return fmt.Errorf("%s: %w", name, err)
	case ctx.Err() != nil && lastError(err) == nil:
		return codef(exitTimeout, "%s: no answer within %s (--timeout)", name, f.Timeout)
	}
	return codef(exitConnect, "could not connect to %s: %w\n%s", name, err, f.hint())
}

// hint is what to do about a registry that cannot be reached.
func (f *Factory) hint() string {
	const other = "--registry or ADSUM_REGISTRY names another"
	u, err := adsum.ParseURL(f.registryURL())
	switch {
	case err != nil || len(u.Hosts) == 0:
		return other
	case u.Scheme == "etcd":
		return "is it running? 'adsum serve' starts an etcd; " + other
	default:
		return "is it running? " + other
	}
}

// lastError is what the registry itself said, and nil when all that is known
// is that the time was up.
func lastError(err error) error {
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// noteSkipped tells what in the registry nobody can read.
func (f *Factory) noteSkipped(skipped []adsum.Skipped) {
	const shown = 5
	for i, s := range skipped {
		if i == shown {
			f.Notef("and %d more that cannot be read", len(skipped)-shown)
			return
		}
		f.Notef("skipped %s: %v", s.Key, s.Err)
	}
}
