package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

const (
	minTTL    = 50 * time.Millisecond
	heartbeat = time.Second
)

// Registry is one client of a [Server]. It implements every part of the
// driver contract.
type Registry struct {
	server *Server
	link   link // faults that only this client feels
	once   sync.Once
	closed chan struct{}
}

var (
	_ adsum.Registry       = (*Registry)(nil)
	_ adsum.ServiceWatcher = (*Registry)(nil)
	_ adsum.Remover        = (*Registry)(nil)
	_ adsum.Overrider      = (*Registry)(nil)
)

// New returns the only client of a new server.
func New() *Registry { return NewServer().Client() }

// Open is [New] for a table of openers. The URL is "memory:"; every call
// makes a registry of its own.
func Open(rawURL string) (adsum.Registry, error) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := u.Known(); err != nil {
		return nil, err
	}
	return New(), nil
}

// Server returns the server this client talks to.
func (r *Registry) Server() *Server { return r.server }

// Capabilities implements [adsum.Registry].
func (r *Registry) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{
		Driver:      "memory",
		Registry:    "memory:",
		Register:    true,
		MinTTL:      minTTL,
		Propagation: 50 * time.Millisecond,
		DetectTTLs:  1,
		DetectExtra: 100 * time.Millisecond,
		Heartbeat:   heartbeat,
		Sequenced:   true,
	}
}

// Close implements [adsum.Registry].
func (r *Registry) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// call passes a request over the client's link and the server's.
func (r *Registry) call(ctx context.Context) error {
	select {
	case <-r.closed:
		return fmt.Errorf("memory registry %w", adsum.ErrClosed)
	default:
	}
	if err := r.link.pass(ctx); err != nil {
		return err
	}
	return r.server.link.pass(ctx)
}

// Register implements [adsum.Registry].
func (r *Registry) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if err := r.call(ctx); err != nil {
		return nil, err
	}
	ttl := r.Capabilities().ClampTTL(opts.TTL)
	in = in.WithDefaults()
	claim, err := r.server.put(in, opts.Claim, ttl)
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", &in, err)
	}
	return newLease(r, in, claim, ttl), nil
}

// Watch implements [adsum.Registry].
func (r *Registry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	shown := map[*adsum.Instance]*adsum.Instance{}
	return r.watch(ctx, func() view {
		l, v := r.server.list(service, shown)
		emit(l)
		return v
	})
}

// WatchServices implements [adsum.ServiceWatcher].
func (r *Registry) WatchServices(ctx context.Context, emit func([]string)) error {
	var last []string
	return r.watch(ctx, func() view {
		names, v := r.server.names()
		if last == nil || !slices.Equal(names, last) {
			last = append([]string{}, names...)
		}
		emit(names)
		return v
	})
}

// watch shows the state again after every change and at every heartbeat. A
// watch that was open when the server lost its memory hears of no change any
// more; only the look at the heartbeat tells, and breaks it.
func (r *Registry) watch(ctx context.Context, show func() view) error {
	r.server.countWatch(1)
	defer r.server.countWatch(-1)
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	opened := -1
	for {
		if err := r.call(ctx); err != nil {
			return endOfWatch(ctx, err)
		}
		seen := show()
		if opened == -1 {
			opened = seen.epoch
		}
		changed := seen.changed
		if seen.epoch != opened {
			return errors.New("memory registry: the server lost its memory, watch again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.closed:
			return fmt.Errorf("memory registry: watch %w", adsum.ErrClosed)
		case <-r.link.breaks():
		case <-r.server.link.breaks():
		case <-seen.breaks:
			return errors.New("memory registry: watch was broken, watch again")
		case <-changed:
		case <-ticker.C:
		}
	}
}

// endOfWatch tells the end of the context, which is no error, from a failure.
func endOfWatch(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Remove implements [adsum.Remover].
func (r *Registry) Remove(ctx context.Context, service, id string) error {
	if err := r.call(ctx); err != nil {
		return err
	}
	if err := r.server.remove(service, id); err != nil {
		return fmt.Errorf("remove %s/%s: %w", service, id, err)
	}
	return nil
}

// Override implements [adsum.Overrider].
func (r *Registry) Override(ctx context.Context, service, id string, o adsum.Override) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if err := r.call(ctx); err != nil {
		return err
	}
	r.server.override(service, id, o)
	return nil
}

// Overrides implements [adsum.Overrider].
func (r *Registry) Overrides(ctx context.Context, service string) (map[string]adsum.Override, error) {
	if err := r.call(ctx); err != nil {
		return nil, err
	}
	return r.server.overridesOf(service), nil
}
