// Package lbfile lets clients follow a balancing config that stands in a file:
// change the file, and the next calls go by it. It is all of the balancing that
// reads files; package lb does no I/O.
package lbfile

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/adsum-go/adsum/internal/content"
	"github.com/adsum-go/adsum/lb"
)

// DefaultInterval is how often the file is looked at.
const DefaultInterval = content.DefaultInterval

// maxSize is more than any config has.
const maxSize = 1 << 20

// Options are the settings of a [File]. The zero value works.
type Options struct {
	// Interval is how often the file is looked at, [DefaultInterval] if
	// zero, at least 10 ms.
	Interval time.Duration
	// Convert turns the content into JSON, by the ending of the file's name,
	// such as ".yaml". Without an entry for it a file holds JSON.
	Convert map[string]func([]byte) ([]byte, error)
	// Logger is told when the config has changed (Info), and once for each
	// content that cannot be used (Error); [slog.Default] if nil.
	Logger *slog.Logger
}

// File is a file with an [lb.Config] in it, as [lb.ParseConfig] reads it, that
// is followed until Close. All methods are safe for concurrent use.
type File struct {
	path string
	opts Options
	live *lb.Live
	stop chan struct{}
	once sync.Once
	done chan struct{} // closed when nobody looks any more

	// Of the goroutine that looks.
	stamp   content.Stamp
	verdict error // on the content that was read last

	mu  sync.Mutex
	err error
}

// Open reads the config, and follows the file from then on. It fails if the file
// cannot be read, or holds no config that can be used ([lb.ErrConfig]).
//
// The file is looked at again and again, and read when its size, time or content
// changed. Replace it by renaming a new one onto it: who looks then sees the old
// or the new one. While it is missing or cannot be used, the last good config
// holds; [File.Err] and the log tell why.
func Open(path string, opts Options) (*File, error) {
	var err error
	if opts.Interval, err = content.Interval(opts.Interval); err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	f := &File{path: path, opts: opts, stop: make(chan struct{}), done: make(chan struct{})}
	data, now, _, err := content.Read(path, content.Stamp{}, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.named(fmt.Errorf("%w; write one before the program starts, {} for the defaults", err))
	}
	if err != nil {
		return nil, f.named(err)
	}
	config, err := f.parse(data)
	if err != nil {
		return nil, err
	}
	f.stamp = now
	if f.live, err = lb.NewLive(config); err != nil {
		return nil, f.named(err)
	}
	go f.follow()
	return f, nil
}

// Live is the config for WithConfig of the transports. After Close it stays as
// it is. What a program sets itself holds until the file changes.
func (f *File) Live() *lb.Live { return f.live }

// Err tells why the file cannot be used as it is now; nil if the config is what
// it says.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Close stops looking at the file, and waits for a look under way. It returns
// nil.
func (f *File) Close() error {
	f.once.Do(func() { close(f.stop) })
	<-f.done
	return nil
}

func (f *File) follow() {
	defer close(f.done)
	ticker := time.NewTicker(f.opts.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look brings the config up to date. While the file cannot be read, what was
// read last may be good or bad; it is neither's word that counts then.
func (f *File) look() {
	data, now, changed, err := content.Read(f.path, f.stamp, maxSize)
	f.stamp = now
	switch {
	case changed && err == nil:
		f.verdict = f.take(data)
	case err != nil:
		err = f.named(err)
		if changed {
			f.verdict = err
		}
		f.report(err, changed)
		return
	}
	f.report(f.verdict, changed)
}

func (f *File) take(data []byte) error {
	config, err := f.parse(data)
	if err != nil {
		return err
	}
	if err := f.live.Set(config); err != nil {
		return f.named(err)
	}
	f.opts.Logger.Info("the balancing config has changed", "file", f.path, "version", f.live.Version())
	return nil
}

func (f *File) parse(data []byte) (lb.Config, error) {
	data, err := content.JSON(f.path, data, f.opts.Convert)
	if err != nil {
		return lb.Config{}, f.named(fmt.Errorf("%w: it cannot be converted to JSON: %w", lb.ErrConfig, err))
	}
	config, err := lb.ParseConfig(data)
	if err != nil {
		return config, f.named(err)
	}
	return config, nil
}

// report keeps the error, and logs what is new about it.
func (f *File) report(err error, changed bool) {
	f.mu.Lock()
	before := f.err
	f.err = err
	f.mu.Unlock()
	switch {
	case err == nil && before != nil && !changed:
		f.opts.Logger.Info("the balancing config is what its file says again", "file", f.path)
	case err != nil && (changed || before == nil || before.Error() != err.Error()):
		f.opts.Logger.Error("the last good balancing config is kept", "file", f.path, "error", err)
	}
}

// named puts the path before what went wrong, once.
func (f *File) named(err error) error {
	if wrong, ok := errors.AsType[*fs.PathError](err); ok && wrong.Path == f.path {
		return fmt.Errorf("balancing config: %w", err)
	}
	return fmt.Errorf("balancing config %s: %w", f.path, err)
}
