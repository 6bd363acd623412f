package adsumtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// counted notes when a driver's blocking calls are made.
type counted struct {
	adsum.Registry
	mu      sync.Mutex
	watches map[string][]time.Time // by service
	puts    map[string][]time.Time // by id
}

func (c *counted) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	c.mu.Lock()
	if c.puts == nil {
		c.puts = map[string][]time.Time{}
	}
	c.puts[in.ID] = append(c.puts[in.ID], time.Now())
	c.mu.Unlock()
	return c.Registry.Register(ctx, in, opts)
}

func (c *counted) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	c.mu.Lock()
	if c.watches == nil {
		c.watches = map[string][]time.Time{}
	}
	c.watches[service] = append(c.watches[service], time.Now())
	c.mu.Unlock()
	return c.Registry.Watch(ctx, service, emit)
}

// watchCalls returns when watches were opened.
func (c *counted) watchCalls() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Time
	for _, calls := range c.watches {
		all = append(all, calls...)
	}
	return all
}

// byCaller returns when each supervisor made its calls.
func (c *counted) byCaller() map[string][]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string][]time.Time{}
	for service, calls := range c.watches {
		all["watch of "+service] = slices.Clone(calls)
	}
	for id, calls := range c.puts {
		all["registration of "+id] = slices.Clone(calls)
	}
	return all
}
