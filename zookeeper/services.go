package zookeeper

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
)

// WatchServices implements [adsum.ServiceWatcher]. With an empty base it is
// [adsum.ErrUnsupported]: whatever else ZooKeeper holds would look like
// services. Directories that must not be read, or are empty, are no services.
func (r *Registry) WatchServices(ctx context.Context, emit func([]string)) error {
	if r.layout.base == "" {
		return fmt.Errorf("zookeeper: list services: %w without a path in the registry's URL, because any node would look like a service; use a URL such as zk://host:2181/services", adsum.ErrUnsupported)
	}
	return r.follow(ctx, &census{r: r, to: emit, shelves: map[string]*count{}}, "watch services")
}

// census counts the records of each service, in both of its directories.
type census struct {
	r       *Registry
	s       *session
	reader  *reader
	to      func([]string)
	roots   [2]int64          // the numbers of the two lists of directories
	shelves map[string]*count // by path
}

// count is one directory.
type count struct {
	service string
	records int
	pzxid   int64
}

func (c *census) paths() [2]string { return [2]string{c.r.layout.services(), c.r.layout.hidden()} }

func (c *census) load(ctx context.Context, reader *reader) error {
	c.s, c.reader = reader.s, reader
	everything := map[string]bool{}
	for _, path := range c.paths() {
		reader.add(path)
		everything[path] = true
	}
	if err := c.update(ctx, everything); err != nil {
		return err
	}
	if c.roots[0] == 0 {
		return c.s.mayRead(ctx, parent(c.paths()[0]))
	}
	return nil
}

func (c *census) update(ctx context.Context, changed map[string]bool) error {
	for i, path := range c.paths() {
		if !changed[path] {
			continue
		}
		if err := c.discover(ctx, i, path, changed); err != nil {
			return err
		}
	}
	for path := range changed {
		shelf := c.shelves[path]
		if shelf == nil {
			continue
		}
		dir, err := follow(ctx, c.s, path, c.s.list)
		switch {
		case err != nil && denied(err):
			shelf.records = 0
		case err != nil:
			return err
		case dir == nil:
			delete(c.shelves, path)
		default:
			shelf.records, shelf.pzxid = len(dir.names), dir.stat.Pzxid
		}
	}
	return nil
}

// discover reads one list of directories, and adds new ones to those to be
// read.
func (c *census) discover(ctx context.Context, i int, root string, changed map[string]bool) error {
	dir, err := follow(ctx, c.s, root, c.s.list)
	if i == 1 && err != nil && denied(err) {
		c.r.missingRight(err)
		return nil
	}
	if err != nil {
		return err
	}
	if dir == nil {
		dir = &directory{}
	}
	c.roots[i] = dir.stat.Pzxid
	for _, name := range dir.names {
		path := root + "/" + name
		if c.shelves[path] == nil && adsum.ValidateService(name) == nil {
			c.shelves[path] = &count{service: name}
			c.reader.add(path)
			changed[path] = true
		}
	}
	return nil
}

func (c *census) torn(changed map[string]bool) bool { return len(changed) > 0 }

func (c *census) prove(ctx context.Context) (missed map[string]bool, err error) {
	for i, path := range c.paths() {
		stat, err := c.s.stat(ctx, path)
		if err != nil {
			return nil, err
		}
		if stat == nil {
			stat = &zk.Stat{}
		}
		if stat.Pzxid != c.roots[i] {
			if missed == nil {
				missed = map[string]bool{}
			}
			missed[path] = true
		}
	}
	return missed, nil
}

func (c *census) emit() {
	names := map[string]bool{}
	for _, shelf := range c.shelves {
		if shelf.records > 0 {
			names[shelf.service] = true
		}
	}
	c.to(slices.Sorted(maps.Keys(names)))
}
