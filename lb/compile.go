package lb

import (
	"fmt"
	"sort"
	"time"

	"github.com/adsum-go/adsum"
)

// Update gives the balancer the newest snapshot of the service.
func (b *Balancer) Update(s *adsum.Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshot = s
	b.changed()
}

// SetReachable says whether the endpoint of that id can be reached, for
// balancers with TrackReachable.
func (b *Balancer) SetReachable(id string, reachable bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reachable[id] == reachable {
		return
	}
	if reachable {
		b.reachable[id] = true
	} else {
		delete(b.reachable, id)
	}
	b.changed()
}

// Endpoints returns everyone the newest snapshot names, callable or not,
// sorted by id.
func (b *Balancer) Endpoints() []*Endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.merge()
	return b.endpoints
}

// Callable returns the endpoints that picks choose from now.
func (b *Balancer) Callable() []*Endpoint { return b.view.Load().endpoints }

// Close stops a compilation that is still due. Picks go on with the last view.
func (b *Balancer) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
}

// changed compiles at once after a quiet time, else when the window is over.
// The caller holds mu.
func (b *Balancer) changed() {
	if b.closed || b.timer != nil {
		return
	}
	if quiet := b.env.Now() - b.compiledAt; b.compiledAt != 0 && quiet < b.opts.Window {
		b.timer = time.AfterFunc(b.opts.Window-quiet, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.timer = nil
			if !b.closed {
				b.compile()
			}
		})
		return
	}
	b.compile()
}

// compile makes the view that picks read. The caller holds mu.
func (b *Balancer) compile() {
	b.compiledAt = max(b.env.Now(), 1)
	b.merge()
	callable := make([]*Endpoint, 0, len(b.endpoints))
	for _, ep := range b.endpoints {
		if ep.Instance().Status.Callable() && (!b.opts.TrackReachable || b.reachable[ep.id]) {
			callable = append(callable, ep)
		}
	}
	v := &view{endpoints: callable}
	if len(callable) == 0 {
		v.none = b.whyNone()
	} else {
		v.picker = b.policy.Build(b.env, callable, b.view.Load().picker)
		v.observer, _ = v.picker.(Observer)
	}
	b.view.Store(v)
	if b.opts.OnChange != nil {
		b.opts.OnChange()
	}
}

// merge brings the endpoints in line with the snapshot. Both are sorted, and
// an instance that did not change is the same pointer, so that one change
// among many costs a scan and no look-up. The caller holds mu.
func (b *Balancer) merge() {
	if b.snapshot == nil {
		return
	}
	old, instances := b.endpoints, b.snapshot.Instances
	merged := make([]*Endpoint, 0, len(instances))
	i := 0
	for _, in := range instances {
		for i < len(old) && old[i].id < in.ID && old[i].Instance() != in {
			i++
		}
		if i < len(old) && (old[i].Instance() == in || old[i].id == in.ID) {
			ep := old[i]
			i++
			if ep.Instance() == in {
				merged = append(merged, ep)
				continue
			}
			if addr, _ := in.Address(b.opts.Protocols...); addr == ep.addr {
				ep.instance.Store(in)
				merged = append(merged, ep)
				continue
			}
		}
		addr, _ := in.Address(b.opts.Protocols...)
		merged = append(merged, newEndpoint(in, addr))
	}
	b.endpoints = merged
}

func (b *Balancer) whyNone() error {
	if b.snapshot == nil || !b.snapshot.Known() {
		return fmt.Errorf("%w: nothing is known of the service yet", ErrNoEndpoint)
	}
	if len(b.endpoints) == 0 {
		return fmt.Errorf("%w: no instance of %s is registered", ErrNoEndpoint, b.snapshot.Service)
	}
	callable := 0
	for _, ep := range b.endpoints {
		if ep.Instance().Status.Callable() {
			callable++
		}
	}
	if callable == 0 {
		return fmt.Errorf("%w: %s has %d instances, none of them passing", ErrNoEndpoint, b.snapshot.Service, len(b.endpoints))
	}
	return fmt.Errorf("%w: %s has %d passing instances, none of them reachable", ErrNoEndpoint, b.snapshot.Service, callable)
}

func search(endpoints []*Endpoint, id string) (int, bool) {
	i := sort.Search(len(endpoints), func(i int) bool { return endpoints[i].id >= id })
	return i, i < len(endpoints) && endpoints[i].id == id
}
