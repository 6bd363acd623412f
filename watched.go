package adsum

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// coalesceWindow gathers changes that come in quick succession. The
	// first after a quiet time is published at once.
	coalesceWindow = 5 * time.Millisecond
	// staleGrace is how long a watch may take to come back before the
	// snapshot counts as stale, so that a re-list does not blink.
	staleGrace = 500 * time.Millisecond
	// diskGrace is how long a registry may take for its first answer before
	// the copy on disk is used in its place.
	diskGrace = time.Second
	// steadyAfter is how long a watch must have lived for its end to count
	// as a first failure, so that one that breaks again and again backs off.
	steadyAfter = 5 * time.Second
)

// watched is one service that a Directory watches: the supervisor of the
// registry's watch, and the one place where snapshots are made.
type watched struct {
	dir      *Directory
	service  string
	log      *slog.Logger
	ctx      context.Context
	stop     context.CancelFunc
	ended    chan struct{}
	snapshot atomic.Pointer[Snapshot]
	counts   watchCounts

	handles int         // guarded by dir.mu
	idle    *time.Timer // guarded by dir.mu; set while nobody has a handle

	mu          sync.Mutex
	changed     chan struct{} // closed and replaced with every snapshot worth a look
	pending     *Listing      // the newest answer, while it waits for the window to pass
	flush       *time.Timer   // publishes pending
	publishedAt time.Time
	stale       *time.Timer          // marks the snapshot stale
	broke       bool                 // the watch broke since the last answer
	sequence    uint64               // of the last answer
	listed      Listing              // the last answer itself
	held        map[string]*Instance // by id: what the registry forgot; see withHeld
	doubted     map[string]*Instance // by id: what it lists, and may forget yet
	heldSince   time.Time
	holding     *time.Timer // ends the hold
	disk        *Snapshot   // last known good of an earlier run, not yet used
	saved       *cacheEntry // nil without a cache
	skipped     map[string]bool
}

func newWatched(d *Directory, service string) *watched {
	w := &watched{
		dir:     d,
		service: service,
		log:     d.log.With("service", service),
		ended:   make(chan struct{}),
		changed: make(chan struct{}),
		skipped: map[string]bool{},
	}
	w.ctx, w.stop = context.WithCancel(d.ctx)
	w.snapshot.Store(&Snapshot{Service: service})
	return w
}

// run watches until it is stopped.
func (w *watched) run() {
	defer close(w.ended)
	defer w.finish()
	if w.dir.cache != nil {
		w.saved = w.dir.cache.entry(w.service)
		w.disk = w.saved.load()
		defer w.saved.close()
	}
	w.staleIn(diskGrace)
	var retry backoff
	for w.ctx.Err() == nil {
		started := time.Now()
		err := w.watch()
		if w.ctx.Err() != nil {
			return
		}
		if time.Since(started) > steadyAfter {
			retry.reset()
		}
		w.failed(err)
		sleep(w.ctx, retry.next())
	}
}

// watch runs one watch of the driver, and breaks it when it gives no sign of
// life for twice its heartbeat: a frozen server says nothing, for ever.
func (w *watched) watch() error {
	ctx, cancel := context.WithCancelCause(w.ctx)
	defer cancel(nil)
	alive := func() {}
	if heartbeat := w.dir.registry.Capabilities().Heartbeat; heartbeat > 0 {
		limit := 2*heartbeat + time.Second
		silence := time.AfterFunc(limit, func() { cancel(fmt.Errorf("%w for %v", ErrSilent, limit)) })
		defer silence.Stop()
		alive = func() { silence.Reset(limit) }
	}
	w.counts.watches.Add(1)
	err := w.dir.registry.Watch(ctx, w.service, func(l Listing) {
		alive()
		w.counts.answers.Add(1)
		w.receive(l)
	})
	if cause := context.Cause(ctx); cause != nil && w.ctx.Err() == nil {
		return cause
	}
	if err == nil {
		err = errors.New("the watch ended without an error")
	}
	return err
}

// receive takes an answer of the registry: publishes it at once after a quiet
// time, else when the window has passed, the newest answer winning.
func (w *watched) receive(l Listing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flush != nil {
		w.pending = &l
		return
	}
	if since := time.Since(w.publishedAt); since < coalesceWindow {
		w.pending = &l
		w.flush = time.AfterFunc(coalesceWindow-since, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.flushPending()
		})
		return
	}
	w.publish(l)
}

func (w *watched) flushPending() {
	w.flush = nil
	if l := w.pending; l != nil {
		w.pending = nil
		w.publish(*l)
	}
}

// publish makes the next snapshot. The caller holds mu.
func (w *watched) publish(l Listing) {
	now := time.Now()
	w.publishedAt = now
	w.disk = nil
	if w.stale != nil {
		w.stale.Stop()
		w.stale = nil
	}
	old := w.snapshot.Load()
	l = w.withHeld(old, l, now)
	instances, same := settle(old.Instances, l.Instances)
	s := *old
	s.SyncedAt, s.StaleSince, s.Err, s.FromDisk, s.Skipped = now, time.Time{}, nil, false, l.Skipped
	if len(w.held) > 0 {
		s.StaleSince = w.heldSince
		s.Err = fmt.Errorf("%w: %d instances not listed any more are kept until %s, in case they register again",
			ErrMemoryLost, len(w.held), w.heldSince.Add(holdFor).Format(time.TimeOnly))
	}
	if !same || !old.Known() {
		s.Instances, s.ChangedAt = instances, now
		s.Generation++
	}
	w.snapshot.Store(&s)
	w.logSkipped(l.Skipped)
	switch {
	case s.Stale() && !old.Stale():
		w.log.Warn("snapshot is stale", "instances", len(s.Instances), "error", s.Err)
	case old.Stale() && !s.Stale():
		w.log.Info("snapshot is current again", "instances", len(s.Instances), "stale_for", now.Sub(old.StaleSince))
	}
	if s.Generation != old.Generation || old.Stale() != s.Stale() || (old.Err == nil) != (s.Err == nil) {
		w.announce()
	}
	if w.saved != nil && !s.Stale() {
		w.saved.save(&s)
	}
}

// failed notes that the watch broke, and marks the snapshot stale unless the
// next attempt succeeds soon. An error never changes the instances.
func (w *watched) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flush != nil {
		w.flush.Stop()
		w.flushPending()
	}
	w.broke = true
	w.counts.errors.Add(1)
	old := w.snapshot.Load()
	if old.Err == nil {
		w.log.Warn("watch broke, trying again until it works", "error", err)
	}
	s := *old
	s.Err = err
	w.snapshot.Store(&s)
	w.announce()
	switch {
	case !s.Known() && w.disk != nil:
		w.markStale()
	case w.stale == nil && !s.Stale():
		w.staleInLocked(staleGrace)
	}
}

func (w *watched) staleIn(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.staleInLocked(d)
}

func (w *watched) staleInLocked(d time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.stale == timer {
			w.markStale()
		}
	})
	w.stale = timer
}

// markStale flags the snapshot, or puts the copy on disk in its place if
// there was no answer yet. The caller holds mu.
func (w *watched) markStale() {
	if w.stale != nil {
		w.stale.Stop()
		w.stale = nil
	}
	s := *w.snapshot.Load()
	switch {
	case s.Known():
		s.StaleSince = s.SyncedAt
		w.log.Warn("snapshot is stale", "instances", len(s.Instances), "error", s.Err)
	case w.disk != nil:
		s.Instances, s.Generation, s.FromDisk = w.disk.Instances, 1, true
		s.ChangedAt, s.SyncedAt, s.StaleSince = w.disk.ChangedAt, w.disk.SyncedAt, w.disk.SyncedAt
		w.disk = nil
		w.log.Warn("registry does not answer, using the last known good from disk", "instances", len(s.Instances), "synced_at", s.SyncedAt)
	default:
		return
	}
	w.snapshot.Store(&s)
	w.announce()
}

// finish stops what may still be due.
func (w *watched) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flush != nil {
		w.flush.Stop()
		w.flushPending()
	}
	if w.stale != nil {
		w.stale.Stop()
		w.stale = nil
	}
	if w.holding != nil {
		w.holding.Stop()
	}
}

func (w *watched) logSkipped(skipped []Skipped) {
	if len(skipped) == 0 && len(w.skipped) == 0 {
		return
	}
	now := make(map[string]bool, len(skipped))
	for _, entry := range skipped {
		now[entry.Key] = true
		if !w.skipped[entry.Key] {
			w.log.Warn("entry skipped: it cannot be read", "key", cut(entry.Key), "error", entry.Err, "skipped", len(skipped))
		}
	}
	w.skipped = now
}

func (w *watched) announce() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *watched) changedChannel() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}
