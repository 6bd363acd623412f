package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/internal/content"
)

const maxSize = 64 << 20

// source is one file and what it said last. A source that was handed out is
// not modified; a file that changed gets another.
type source struct {
	name      string // of the file, for people
	stamp     content.Stamp
	instances map[string][]*adsum.Instance // by service
	skipped   map[string][]adsum.Skipped   // by service
	broken    error                        // why the newest content could not be read
}

// skippedFor lists what could not be read and may concern the service.
func (s *source) skippedFor(service string) []adsum.Skipped {
	skipped := append(slices.Clone(s.skipped[service]), s.skipped[""]...)
	if s.broken != nil {
		skipped = append(skipped, adsum.Skipped{Key: s.name, Err: s.broken})
	}
	return skipped
}

// look brings what is known of the files up to date and returns it, in the
// order of their names.
func (r *Registry) look() ([]*source, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	paths, err := r.paths()
	if err != nil {
		return nil, err
	}
	sources := make([]*source, 0, len(paths))
	files := make(map[string]*source, len(paths))
	for _, path := range paths {
		s, err := r.read(path, r.files[path])
		switch {
		case err == nil:
		case path == r.path:
			return nil, err
		case errors.Is(err, fs.ErrNotExist):
			continue // removed since the folder was listed
		default: // hides none of the others
			s = unreadable(path, r.files[path], err)
		}
		files[path] = s
		sources = append(sources, s)
	}
	r.files = files
	return sources, nil
}

// paths lists the files, sorted.
func (r *Registry) paths() ([]string, error) {
	info, err := os.Stat(r.path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{r.path}, nil
	}
	entries, err := os.ReadDir(r.path)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		ending := filepath.Ext(e.Name())
		_, known := r.opts.Convert[ending]
		if !strings.HasPrefix(e.Name(), ".") && (known || ending == ".json") && !e.IsDir() {
			paths = append(paths, filepath.Join(r.path, e.Name()))
		}
	}
	return paths, nil
}

// read returns what the file says, from memory if it did not change. An error
// says that the file cannot be opened; a content that cannot be understood is
// noted in the source, which keeps what it said before.
func (r *Registry) read(path string, last *source) (*source, error) {
	var before content.Stamp
	if last != nil {
		before = last.stamp
	}
	data, now, changed, err := content.Read(path, before, maxSize)
	if err != nil && !changed {
		return nil, err
	}
	if !changed {
		same := *last
		same.stamp = now
		return &same, nil
	}
	next := &source{name: filepath.Base(path), stamp: now}
	if err == nil {
		data, err = content.JSON(path, data, r.opts.Convert)
	}
	if err != nil {
		return next.keeping(last, err), nil
	}
	if err := next.decode(data); err != nil {
		return next.keeping(last, err), nil
	}
	next.reuse(last)
	return next, nil
}

// unreadable is a file of a folder that cannot be opened now. It has no stamp, so
// that it is read once it can be, also if it did not change.
func unreadable(path string, last *source, err error) *source {
	return (&source{name: filepath.Base(path)}).keeping(last, explain(err))
}

// keeping makes a broken file say what it said before.
func (s *source) keeping(last *source, err error) *source {
	s.broken = err
	if last != nil {
		s.instances, s.skipped = last.instances, last.skipped
	}
	return s
}

// reuse keeps the pointers of instances that did not change.
func (s *source) reuse(last *source) {
	if last == nil {
		return
	}
	for service, instances := range s.instances {
		known := make(map[string]*adsum.Instance, len(last.instances[service]))
		for _, in := range last.instances[service] {
			known[in.ID] = in
		}
		for i, in := range instances {
			if old := known[in.ID]; old != nil && old.Equal(in) {
				instances[i] = old
			}
		}
	}
}
