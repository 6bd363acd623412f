package etcd

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/adsum-go/adsum"
)

// WatchServices implements [adsum.ServiceWatcher]. With an empty base it is
// [adsum.ErrUnsupported]: whatever else etcd holds would look like services.
func (r *Registry) WatchServices(ctx context.Context, emit func([]string)) error {
	if r.opts.Base == "" {
		return fmt.Errorf("etcd: list services: %w without a path in the registry's URL, because any key would look like a service; use a URL such as etcd://host:2379/services", adsum.ErrUnsupported)
	}
	c := &census{layout: r.layout, to: emit, counts: map[string]int{}, left: map[string]int64{}}
	return r.follow(ctx, c, "watch services", true, r.layout.base, r.layout.private)
}

// census counts the records of each service.
type census struct {
	layout layout
	to     func([]string)
	counts map[string]int
	left   map[string]int64 // services whose count fell to 0, and at which revision
}

func (c *census) load(kvs []*mvccpb.KeyValue, _ int64) {
	for _, kv := range kvs {
		c.count(kv, 1)
	}
}

func (c *census) apply(event *mvccpb.Event) {
	switch {
	case event.Type == mvccpb.Event_DELETE:
		c.count(event.Kv, -1)
	case event.Kv.CreateRevision == event.Kv.ModRevision:
		c.count(event.Kv, 1)
	}
}

func (c *census) count(kv *mvccpb.KeyValue, by int) {
	service, _, k := c.layout.split(string(kv.Key))
	if k != publicRecord && k != privateRecord || adsum.ValidateService(service) != nil {
		return
	}
	c.counts[service] += by
	delete(c.left, service)
	if c.counts[service] <= 0 {
		delete(c.counts, service)
		c.left[service] = kv.ModRevision
	}
}

func (c *census) torn() bool { return len(c.left) > 0 }

func (c *census) mend(revision int64) {
	for service, at := range c.left {
		if at <= revision {
			delete(c.left, service)
		}
	}
}

func (c *census) emit() { c.to(slices.Sorted(maps.Keys(c.counts))) }
