package adsum

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Directory is the live local view of services. However many callers ask for
// a service, it is watched once; what is known is handed out as immutable
// snapshots without asking the registry again. When the registry goes away,
// the last known good stays, flagged stale.
//
// All methods are safe for concurrent use.
type Directory struct {
	registry Registry
	config   directoryConfig
	log      *slog.Logger
	cache    *cache // nil without a folder
	ctx      context.Context
	stop     context.CancelFunc

	mu      sync.Mutex
	watched map[string]*watched
	closed  bool
	running sync.WaitGroup // one for every watched service

	synced atomic.Bool // everything watched was known once
}

// NewDirectory makes a Directory on the registry, which need not be up. It
// does no I/O. Close the Directory when it is no longer needed; the registry
// stays open.
func NewDirectory(registry Registry, opts ...DirectoryOption) *Directory {
	config := directoryConfig{
		cacheMaxAge: 24 * time.Hour,
		maxServices: 4096,
		idleTimeout: 10 * time.Minute,
		logger:      slog.Default(),
	}
	for _, o := range opts {
		o.applyDirectory(&config)
	}
	d := &Directory{
		registry: registry,
		config:   config,
		log:      config.logger.With("registry", registry.Capabilities().Registry),
		watched:  map[string]*watched{},
	}
	d.ctx, d.stop = context.WithCancel(context.Background())
	if config.cacheFolder != "" {
		d.cache = &cache{folder: config.cacheFolder, maxAge: config.cacheMaxAge,
			registry: registry.Capabilities().Registry, log: d.log}
	}
	return d
}

// Registry returns the registry the Directory looks at.
func (d *Directory) Registry() Registry { return d.registry }

// Open returns a handle on the view of a service and starts to watch the
// service unless it is watched already. It does not block and does no I/O; it
// fails for a name that is not valid, with [ErrTooManyServices], and with
// [ErrClosed]. The watch ends when nobody has had a handle for the idle time.
func (d *Directory) Open(service string) (*View, error) {
	if err := ValidateService(service); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("directory: %w", ErrClosed)
	}
	w := d.watched[service]
	if w == nil {
		if len(d.watched) >= d.config.maxServices {
			return nil, fmt.Errorf("watch %q: %w: %d are, and no more may be; raise WithMaxServices if these are real",
				service, ErrTooManyServices, len(d.watched))
		}
		w = newWatched(d, service)
		d.watched[service] = w
		d.running.Go(w.run)
	}
	w.handles++
	if w.idle != nil {
		w.idle.Stop()
		w.idle = nil
	}
	return &View{w: w, closed: make(chan struct{})}, nil
}

// release takes back one handle.
func (d *Directory) release(w *watched) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.handles--; w.handles > 0 || d.closed {
		return
	}
	var idle *time.Timer
	idle = time.AfterFunc(d.config.idleTimeout, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if w.idle == idle && d.watched[w.service] == w {
			delete(d.watched, w.service)
			w.stop()
		}
	})
	w.idle = idle
}

// Snapshot returns what is known of the service, waiting for the first answer
// until ctx ends; see [View.Ready] for the errors.
func (d *Directory) Snapshot(ctx context.Context, service string) (*Snapshot, error) {
	view, err := d.Open(service)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if err := view.Ready(ctx); err != nil {
		return nil, err
	}
	return view.Snapshot(), nil
}

// Discover returns the instances of the service that carry the tag ("" for
// any) and, with passingOnly, that new calls may go to: those passing or
// warning. Like [Directory.Snapshot] it waits for a first answer only.
func (d *Directory) Discover(ctx context.Context, service, tag string, passingOnly bool) ([]*Instance, error) {
	snapshot, err := d.Snapshot(ctx, service)
	if err != nil {
		return nil, err
	}
	return snapshot.Select(tag, passingOnly), nil
}

// Services asks the registry, once, for the names of the services it knows,
// sorted. It fails with [ErrUnsupported] where the registry cannot tell.
func (d *Directory) Services(ctx context.Context) ([]string, error) {
	w, ok := d.registry.(ServiceWatcher)
	if !ok {
		return nil, fmt.Errorf("list the services of %s: %w", d.registry.Capabilities().Registry, ErrUnsupported)
	}
	asked, cancel := context.WithCancel(ctx)
	defer cancel()
	var names []string
	answered := false
	err := w.WatchServices(asked, func(all []string) {
		if !answered {
			names, answered = all, true
			cancel()
		}
	})
	if answered {
		return names, nil
	}
	if err == nil { // the watch ended because ctx did
		cancel() // or for no reason; then this is one
		err = fmt.Errorf("%w: %w", ErrNoSnapshot, context.Cause(asked))
	}
	return nil, fmt.Errorf("list the services of %s: %w", d.registry.Capabilities().Registry, err)
}

// Close ends every watch and waits for them. Open handles keep their last
// snapshot. A second call returns nil.
func (d *Directory) Close() error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		d.stop()
		for _, w := range d.watched {
			if w.idle != nil {
				w.idle.Stop()
			}
		}
	}
	d.mu.Unlock()
	d.running.Wait()
	return nil
}

// View is a handle on the live view of one service. Close it when done.
type View struct {
	w      *watched
	once   sync.Once
	closed chan struct{}
}

// Service returns the name of the service.
func (v *View) Service() string { return v.w.service }

// Snapshot returns what is known now. It is never nil, takes no lock and does
// not allocate. While nothing is known, its Generation is 0.
func (v *View) Snapshot() *Snapshot { return v.w.snapshot.Load() }

// Changed returns a channel that is closed at the next new snapshot that
// differs in content, staleness or error. Ask for it before looking at
// Snapshot, or a change may be missed.
func (v *View) Changed() <-chan struct{} { return v.w.changedChannel() }

// Ready waits until something is known of the service: an answer of the
// registry, or the copy on disk while the registry does not answer. It fails
// with [ErrNoSnapshot] when ctx ends first, with the registry's error when
// trying again is pointless ([Final]), and with [ErrClosed].
func (v *View) Ready(ctx context.Context) error {
	for {
		changed := v.Changed()
		s := v.Snapshot()
		if s.Known() {
			return nil
		}
		if s.Err != nil && Final(s.Err) {
			return fmt.Errorf("service %q: %w: %w", s.Service, ErrNoSnapshot, s.Err)
		}
		select {
		case <-changed:
		case <-v.closed:
			return fmt.Errorf("service %q: view %w", s.Service, ErrClosed)
		case <-v.w.ended:
			return fmt.Errorf("service %q: directory %w", s.Service, ErrClosed)
		case <-ctx.Done():
			err := fmt.Errorf("service %q: %w: %w", s.Service, ErrNoSnapshot, ctx.Err())
			if s.Err != nil {
				err = fmt.Errorf("%w; last error: %w", err, s.Err)
			}
			return err
		}
	}
}

// Changes yields what is different from one snapshot to the next: at first
// everything as added, as soon as something is known, then whenever instances
// or staleness change. A consumer that is slower than the changes gets them
// combined; none is lost, and nothing piles up. It ends when ctx ends or the
// view or directory is closed.
func (v *View) Changes(ctx context.Context) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		seen := &Snapshot{Service: v.w.service}
		for {
			changed := v.Changed()
			s := v.Snapshot()
			if s.Known() && (s.Generation != seen.Generation || s.Stale() != seen.Stale()) {
				c := Change{Time: time.Now(), Snapshot: s}
				c.Added, c.Removed, c.Changed = diff(seen.Instances, s.Instances)
				seen = s
				if !yield(c) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-v.closed:
				return
			case <-v.w.ended:
				return
			}
		}
	}
}

// Close gives the handle back. The last snapshot stays readable. A second
// call does nothing.
func (v *View) Close() {
	v.once.Do(func() {
		close(v.closed)
		v.w.dir.release(v.w)
	})
}
