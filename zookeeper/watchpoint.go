package zookeeper

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/go-zookeeper/zk"
)

// A watch at the server fires once and cannot be taken back; the library keeps
// a channel for every one that was ever set. So that watches which begin and
// end do not pile up, a session notes which are set, and does not set them
// again. What they say comes through the session's callback, in the order in
// which the server said it: an event before any answer that shows its effect.

type watchKind int

const (
	watchData     watchKind = iota // of a node that is there
	watchAbsence                   // of one that is not
	watchChildren                  // of a directory's list
)

// watchpoint is where the server watches.
type watchpoint struct {
	path string
	kind watchKind
}

// armed is a watch that was asked for; set, once the server confirmed.
type armed struct{ set bool }

// reader is told of what happened under the paths that it reads: to these
// nodes and to their children.
type reader struct {
	s     *session
	paths []string
	dirty map[string]bool // paths that something happened to; guarded by s.mu
	wake  chan struct{}
}

func (s *session) newReader(paths ...string) *reader {
	f := &reader{s: s, paths: paths, dirty: map[string]bool{}, wake: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, path := range paths {
		s.readers[path] = append(s.readers[path], f)
	}
	return f
}

// add has the reader told of one more path.
func (f *reader) add(path string) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if slices.Contains(f.s.readers[path], f) {
		return
	}
	f.paths = append(f.paths, path)
	f.s.readers[path] = append(f.s.readers[path], f)
}

func (f *reader) close() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for _, path := range f.paths {
		f.s.readers[path] = slices.DeleteFunc(f.s.readers[path], func(other *reader) bool { return other == f })
		if len(f.s.readers[path]) == 0 {
			delete(f.s.readers, path)
		}
	}
}

// take returns the paths that something happened to since the last call.
func (f *reader) take() map[string]bool {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	dirty := f.dirty
	f.dirty = map[string]bool{}
	return dirty
}

// pending tells what take would return.
func (f *reader) pending() map[string]bool {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return maps.Clone(f.dirty)
}

// dispatch hands an event to the readers. The library calls it, in order.
func (s *session) dispatch(e zk.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Type {
	case zk.EventNodeCreated:
		s.fired(e.Path, watchAbsence)
	case zk.EventNodeDataChanged:
		s.fired(e.Path, watchAbsence, watchData)
	case zk.EventNodeChildrenChanged:
		s.fired(e.Path, watchChildren)
	default: // deleted, or not watched any more
		s.fired(e.Path, watchAbsence, watchData, watchChildren)
	}
	for _, dir := range []string{e.Path, parent(e.Path)} {
		for _, f := range s.readers[dir] {
			f.dirty[e.Path] = true
			select {
			case f.wake <- struct{}{}:
			default:
			}
		}
	}
}

// fired forgets watches, as the library does. The caller holds mu.
func (s *session) fired(path string, kinds ...watchKind) {
	for _, kind := range kinds {
		delete(s.armed, watchpoint{path, kind})
	}
}

// intend returns the watch at a point, for settle, and whether it is set.
func (s *session) intend(at watchpoint) (*armed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.armed[at]
	if a == nil {
		a = &armed{}
		s.armed[at] = a
	}
	return a, a.set
}

// settle notes whether the server set a watch. It may have fired since.
func (s *session) settle(at watchpoint, a *armed, set bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.armed[at] != a:
	case set:
		a.set = true
	case !a.set:
		delete(s.armed, at)
	}
}

// watching runs one of two calls: the one that sets a watch, or the plain one
// where it is set already.
func watching[T any](ctx context.Context, s *session, at watchpoint, set, plain func(*zk.Conn) (*T, error)) (*T, error) {
	a, is := s.intend(at)
	if is {
		return request(ctx, s, plain)
	}
	value, err := request(ctx, s, set)
	s.settle(at, a, err == nil)
	return value, err
}

// getW is get, and watches the node while it is there.
func (s *session) getW(ctx context.Context, path string) (*node, error) {
	return found(watching(ctx, s, watchpoint{path, watchData},
		func(c *zk.Conn) (*node, error) {
			data, stat, _, err := c.GetW(path)
			if err != nil {
				return nil, err
			}
			return &node{data, *stat}, nil
		},
		func(c *zk.Conn) (*node, error) {
			data, stat, err := c.Get(path)
			if err != nil {
				return nil, err
			}
			return &node{data, *stat}, nil
		}))
}

// directory is the list of a node's children.
type directory struct {
	names []string
	stat  zk.Stat
}

// list reads a directory and watches it while it is there.
func (s *session) list(ctx context.Context, path string) (*directory, error) {
	return found(watching(ctx, s, watchpoint{path, watchChildren},
		func(c *zk.Conn) (*directory, error) {
			names, stat, _, err := c.ChildrenW(path)
			if err != nil {
				return nil, err
			}
			return &directory{names, *stat}, nil
		},
		func(c *zk.Conn) (*directory, error) {
			names, stat, err := c.Children(path)
			if err != nil {
				return nil, err
			}
			return &directory{names, *stat}, nil
		}))
}

// statW tells of a node and watches it, whether it is there or not.
func (s *session) statW(ctx context.Context, path string) (*zk.Stat, error) {
	at := watchpoint{path, watchAbsence}
	a, is := s.intend(at)
	if is {
		return s.stat(ctx, path)
	}
	stat, err := request(ctx, s, func(c *zk.Conn) (*zk.Stat, error) {
		exists, stat, _, err := c.ExistsW(path)
		return there(exists, stat, err)
	})
	s.settle(at, a, errors.Is(err, zk.ErrNoNode))
	return found(stat, err)
}

// stat tells of a node.
func (s *session) stat(ctx context.Context, path string) (*zk.Stat, error) {
	return found(request(ctx, s, func(c *zk.Conn) (*zk.Stat, error) {
		exists, stat, err := c.Exists(path)
		return there(exists, stat, err)
	}))
}

func there(exists bool, stat *zk.Stat, err error) (*zk.Stat, error) {
	if err == nil && !exists {
		return nil, zk.ErrNoNode
	}
	return stat, err
}

// follow reads by read, which sets a watch on what is there; on what is not,
// it sets one that tells when it comes.
func follow[T any](ctx context.Context, s *session, path string, read func(context.Context, string) (*T, error)) (*T, error) {
	for {
		value, err := read(ctx, path)
		if err != nil || value != nil {
			return value, err
		}
		stat, err := s.statW(ctx, path)
		if err != nil || stat == nil {
			return nil, err
		}
	}
}
