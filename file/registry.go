package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/internal/content"
)

// DefaultInterval is how often files are looked at.
const DefaultInterval = content.DefaultInterval

// Options are the settings of a [Registry]. The zero value works.
type Options struct {
	// Interval is how often the files are looked at, [DefaultInterval] if
	// zero, at least 10 ms.
	Interval time.Duration
	// Convert turns the content of a file into JSON, by the ending of its
	// name, such as ".yaml". Files that end in ".json" need no conversion;
	// others without an entry here are not looked at, but for a file that
	// is named itself.
	Convert map[string]func([]byte) ([]byte, error)
}

// Registry reads instances from one file or one folder. All methods are safe
// for concurrent use. Watches share what was read.
type Registry struct {
	path   string
	opts   Options
	once   sync.Once
	closed chan struct{}

	mu    sync.Mutex
	files map[string]*source // by path
}

var (
	_ adsum.Registry       = (*Registry)(nil)
	_ adsum.ServiceWatcher = (*Registry)(nil)
)

// New makes a registry of a file or folder. It does no I/O: the path need not
// be there yet.
func New(path string, opts Options) (*Registry, error) {
	if path == "" {
		return nil, &adsum.InvalidError{Field: "path", Problem: "it is empty", Fix: "name a file or a folder, as in file:/etc/adsum/services"}
	}
	var err error
	if opts.Interval, err = content.Interval(opts.Interval); err != nil {
		return nil, err
	}
	return &Registry{path: filepath.Clean(path), opts: opts, closed: make(chan struct{}), files: map[string]*source{}}, nil
}

// Open opens a URL: file:/etc/adsum/services or, relative to where the program
// runs, file:services.json. The only option is interval, as in ?interval=500ms.
func Open(rawURL string) (adsum.Registry, error) { return OpenWith(rawURL, Options{}) }

// OpenWith is [Open] with options that a URL cannot hold; those of the URL
// win.
func OpenWith(rawURL string, opts Options) (adsum.Registry, error) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := u.Known("interval"); err != nil {
		return nil, err
	}
	if u.User != nil || len(u.Hosts) > 0 {
		return nil, &adsum.InvalidError{Field: "registry URL (file://…)", Problem: "a file has no host",
			Fix: "write file:/path, or file:path relative to where the program runs"}
	}
	if text := u.Query.Get("interval"); text != "" {
		if opts.Interval, err = time.ParseDuration(text); err != nil || opts.Interval <= 0 {
			return nil, &adsum.InvalidError{Field: "interval", Value: strconv.Quote(text), Problem: "it is no duration", Fix: "write it like 500ms or 2s"}
		}
	}
	return New(filepath.FromSlash(u.Path), opts)
}

// Capabilities implements [adsum.Registry].
func (r *Registry) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{
		Driver:      "file",
		Registry:    (&adsum.URL{Scheme: "file", Path: filepath.ToSlash(r.path)}).String(),
		Propagation: r.opts.Interval + 100*time.Millisecond,
		Heartbeat:   r.opts.Interval + 100*time.Millisecond,
		Limits:      "read only; at most 64 MiB a file",
	}
}

// Register implements [adsum.Registry]: files are not written.
func (r *Registry) Register(_ context.Context, in adsum.Instance, _ adsum.RegisterOptions) (adsum.Lease, error) {
	return nil, fmt.Errorf("register %s in a file: %w: edit the file instead", &in, adsum.ErrUnsupported)
}

// Close implements [adsum.Registry].
func (r *Registry) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// Watch implements [adsum.Registry]. It fails when the file or folder is not
// there or may not be read.
func (r *Registry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	return r.poll(ctx, func(sources []*source) {
		var l adsum.Listing
		for _, s := range sources {
			l.Instances = append(l.Instances, s.instances[service]...)
			l.Skipped = append(l.Skipped, s.skippedFor(service)...)
		}
		emit(l)
	})
}

// WatchServices implements [adsum.ServiceWatcher].
func (r *Registry) WatchServices(ctx context.Context, emit func([]string)) error {
	return r.poll(ctx, func(sources []*source) {
		names := map[string]bool{}
		for _, s := range sources {
			for name := range s.instances {
				names[name] = true
			}
		}
		emit(slices.Sorted(maps.Keys(names)))
	})
}

// poll shows the files at once and after every look.
func (r *Registry) poll(ctx context.Context, show func([]*source)) error {
	ticker := time.NewTicker(r.opts.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-r.closed:
			return fmt.Errorf("%s: watch %w", r.Capabilities().Registry, adsum.ErrClosed)
		default:
		}
		if ctx.Err() != nil {
			return nil
		}
		sources, err := r.look()
		if err != nil {
			return fmt.Errorf("%s: %w", r.Capabilities().Registry, explain(err))
		}
		show(sources)
		select {
		case <-ctx.Done():
			return nil
		case <-r.closed:
		case <-ticker.C:
		}
	}
}

func explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %w", adsum.ErrDenied, err)
	}
	return err
}
