package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Override implements [adsum.Overrider]. An owner of this library obeys: its
// public record disappears while it is to drain, so that foreign callers leave
// it too. A foreign owner's record stays where it is; only readers of this
// library see the override.
func (r *Registry) Override(ctx context.Context, service, id string, o adsum.Override) error {
	value, err := codec.EncodeOverride(o)
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id), err); err != nil {
		return err
	}
	ctx, stop := r.bind(ctx)
	defer stop()
	s, err := r.shared(ctx)
	if err == nil {
		err = s.impose(ctx, r.layout.nodes(service, id).override, o, value)
	}
	return r.explain(fmt.Sprintf("override %s/%s", service, id), err)
}

// impose writes or deletes an override.
func (s *session) impose(ctx context.Context, path string, o adsum.Override, value []byte) error {
	if o == (adsum.Override{}) {
		_, err := found(request(ctx, s, func(c *zk.Conn) (*struct{}, error) { return nil, c.Delete(path, anyVersion) }))
		return err
	}
	for {
		stat, err := found(request(ctx, s, func(c *zk.Conn) (*zk.Stat, error) { return c.Set(path, value, anyVersion) }))
		if err != nil || stat != nil {
			return err
		}
		if err := s.ensure(ctx, parent(path)); err != nil {
			return err
		}
		_, err = request(ctx, s, func(c *zk.Conn) (string, error) { return c.Create(path, value, zk.FlagPersistent, s.r.opts.ACL) })
		if !errors.Is(err, zk.ErrNodeExists) && !errors.Is(err, zk.ErrNoNode) {
			return err
		}
	}
}

// anyVersion has a request not look at the version.
const anyVersion = -1

// Overrides implements [adsum.Overrider].
func (r *Registry) Overrides(ctx context.Context, service string) (map[string]adsum.Override, error) {
	if err := adsum.ValidateService(service); err != nil {
		return nil, err
	}
	ctx, stop := r.bind(ctx)
	defer stop()
	all, err := r.readOverrides(ctx, service)
	return all, r.explain("list the overrides of "+service, err)
}

func (r *Registry) readOverrides(ctx context.Context, service string) (map[string]adsum.Override, error) {
	s, err := r.shared(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.sync(ctx, "/"); err != nil {
		return nil, err
	}
	v := newView(r, service, nil)
	v.s = s
	if err := v.reshelve(ctx, v.overrides, map[string]bool{v.overrides.path: true}); err != nil {
		return nil, err
	}
	if v.overrides.denied {
		return nil, zk.ErrNoAuth
	}
	all := make(map[string]adsum.Override, len(v.overrides.cards))
	for _, c := range v.overrides.cards {
		if c.bad == nil {
			all[c.id] = c.override
		}
	}
	return all, nil
}

// Remove implements [adsum.Remover]. An override stays.
func (r *Registry) Remove(ctx context.Context, service, id string) error {
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id)); err != nil {
		return err
	}
	ctx, stop := r.bind(ctx)
	defer stop()
	tried := fmt.Sprintf("remove %s/%s", service, id)
	s, err := r.shared(ctx)
	if err != nil {
		return r.explain(tried, err)
	}
	n := r.layout.nodes(service, id)
	paths := []string{n.public, n.record}
	if name, err := url.PathUnescape(id); err == nil && name != id && idOfNode(name) == id {
		paths = append(paths, r.layout.public(service)+"/"+name) // a foreign program's
	}
	removed := false
	for _, path := range paths {
		gone, err := found(request(ctx, s, func(c *zk.Conn) (*struct{}, error) { return &struct{}{}, c.Delete(path, anyVersion) }))
		if err != nil && !(path == n.record && denied(err)) {
			return r.explain(tried, err)
		}
		removed = removed || gone != nil
	}
	if !removed {
		return fmt.Errorf("zookeeper: %s: %w", tried, adsum.ErrNotFound)
	}
	return nil
}
