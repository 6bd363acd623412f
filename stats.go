package adsum

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// DirectoryStats are a [Directory]'s numbers at one moment.
type DirectoryStats struct {
	// Registry says which one it looks at, without any secret.
	Registry string
	// Propagation is how long the driver says a change takes to get here,
	// while all is well; 0 if it does not say.
	Propagation time.Duration
	// Services are those that are watched, sorted by name.
	Services []ServiceStats
}

// ServiceStats are the numbers of one service that a [Directory] watches.
// Counts begin when the watch does.
type ServiceStats struct {
	Service string
	// Handles is how many views of it are open.
	Handles int
	// Known, Stale and FromDisk are those of the present [Snapshot], and so
	// are SyncedAt, ChangedAt, StaleSince and Err.
	Known, Stale, FromDisk          bool
	SyncedAt, ChangedAt, StaleSince time.Time
	Err                             error
	// Instances counts those of each status that there is.
	Instances map[Status]int
	// Skipped is how many entries of the registry cannot be read.
	Skipped int
	// Answers counts what the watch was told, changes and proofs of life,
	// and Changes the snapshots that differ in content from the one before.
	Answers, Changes uint64
	// Watches counts how often the watch was begun, and Errors how often it
	// broke, or did not come about.
	Watches, Errors uint64
}

// watchCounts are counted by a watched service.
type watchCounts struct{ answers, watches, errors atomic.Uint64 }

// Stats returns the numbers of every service that is watched. It asks nobody,
// holds no lock while it counts, and costs a look at every instance.
func (d *Directory) Stats() DirectoryStats {
	caps := d.registry.Capabilities()
	stats := DirectoryStats{Registry: caps.Registry, Propagation: caps.Propagation}
	for _, w := range d.all() {
		stats.Services = append(stats.Services, w.stats())
	}
	return stats
}

// watching is a watched service with what only the directory's lock gives.
type watching struct {
	*watched
	handles int
}

// all returns the services that are watched, sorted by name.
func (d *Directory) all() []watching {
	d.mu.Lock()
	all := make([]watching, 0, len(d.watched))
	for _, w := range d.watched {
		all = append(all, watching{w, w.handles})
	}
	d.mu.Unlock()
	slices.SortFunc(all, func(a, b watching) int { return strings.Compare(a.service, b.service) })
	return all
}

func (w watching) stats() ServiceStats {
	s := w.snapshot.Load()
	stats := ServiceStats{
		Service: w.service, Handles: w.handles,
		Known: s.Known(), Stale: s.Stale(), FromDisk: s.FromDisk,
		SyncedAt: s.SyncedAt, ChangedAt: s.ChangedAt, StaleSince: s.StaleSince, Err: s.Err,
		Instances: map[Status]int{},
		Skipped:   len(s.Skipped),
		Changes:   s.Generation,
		Answers:   w.counts.answers.Load(), Watches: w.counts.watches.Load(), Errors: w.counts.errors.Load(),
	}
	for _, in := range s.Instances {
		stats.Instances[in.Status.orPassing()]++
	}
	return stats
}

// Ready is a readiness check: nil once something is known of every service that
// is watched, from the registry or from disk, else an error that wraps
// [ErrNoSnapshot] and names those nothing is known of. From then on it stays
// nil: what is stale will do, and a service that is asked for later, while the
// registry is away, is no reason to take this program out. It does not block.
//
// A Directory that watches nothing waits for nothing. Open the services that
// the program cannot do without before it is asked.
func (d *Directory) Ready(context.Context) error {
	if d.synced.Load() {
		return nil
	}
	all := d.all()
	var unknown []error
	for _, w := range all {
		if s := w.snapshot.Load(); !s.Known() {
			unknown = append(unknown, unknownError(s))
		}
	}
	if len(unknown) == 0 {
		d.synced.Store(len(all) > 0)
		return nil
	}
	return errors.Join(unknown...)
}

func unknownError(s *Snapshot) error {
	if s.Err != nil {
		return fmt.Errorf("service %q: %w: %w", s.Service, ErrNoSnapshot, s.Err)
	}
	return fmt.Errorf("service %q: %w", s.Service, ErrNoSnapshot)
}

// RegistrationStats are a [Registration]'s numbers at one moment.
type RegistrationStats struct {
	RegistrationState
	// Registry says where it is published, without any secret.
	Registry string
	// Service and ID say which instance it is.
	Service, ID string
	// Registrations and Updates count what the registry accepted, and
	// Failures what it did not.
	Registrations, Updates, Failures uint64
}

// registrationCounts are counted by the supervisor.
type registrationCounts struct{ registrations, updates, failures atomic.Uint64 }

// Stats returns the state with the numbers beside it. It asks nobody.
func (r *Registration) Stats() RegistrationStats {
	in := r.Instance()
	return RegistrationStats{
		RegistrationState: r.State(),
		Registry:          r.registry.Capabilities().Registry,
		Service:           in.Service, ID: in.ID,
		Registrations: r.counts.registrations.Load(), Updates: r.counts.updates.Load(), Failures: r.counts.failures.Load(),
	}
}
