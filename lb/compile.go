package lb

import (
	"fmt"
	"sort"
	"time"

	"github.com/adsum-go/adsum"
)

// state is what the engine knows of an endpoint beside its statistics. States
// lie side by side, so that compiling a view of thousands touches no endpoint.
type state uint8

const (
	callable  state = 1 << iota // by its status
	reachable                   // by the transport's word
)

// Update gives the balancer the newest snapshot of the service.
func (b *Balancer) Update(s *adsum.Snapshot) {
	b.mu.Lock()
	first := b.snapshot == nil || b.snapshot.Known() != s.Known()
	if b.merge(s) || first {
		b.changed()
	}
	b.mu.Unlock()
	b.notify()
}

// SetReachable says whether an endpoint can be reached, for balancers with
// TrackReachable. A new endpoint cannot, until this says that it can. An
// endpoint that the newest snapshot no longer names is ignored.
func (b *Balancer) SetReachable(ep *Endpoint, can bool) {
	b.mu.Lock()
	if i := index(b.endpoints, ep.id); i >= 0 && b.endpoints[i] == ep && can != (b.states[i]&reachable != 0) {
		b.states[i] ^= reachable
		b.changed()
	}
	b.mu.Unlock()
	b.notify()
}

// Endpoints returns everyone the newest snapshot names, callable or not,
// sorted by id. The slice must not be modified.
func (b *Balancer) Endpoints() []*Endpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.endpoints
}

// Callable returns the endpoints that picks choose from now, sorted by id. The
// slice must not be modified.
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
// The caller holds mu, and calls notify after it.
func (b *Balancer) changed() {
	if b.closed || b.timer != nil {
		return
	}
	quiet := b.env.Now() - b.compiledAt
	if b.compiledAt == 0 || quiet >= b.opts.Window {
		b.compile()
		return
	}
	b.timer = time.AfterFunc(b.opts.Window-quiet, func() {
		b.mu.Lock()
		b.timer = nil
		if !b.closed {
			b.compile()
		}
		b.mu.Unlock()
		b.notify()
	})
}

// compile makes the view that picks read. The caller holds mu.
func (b *Balancer) compile() {
	b.compiledAt = max(b.env.Now(), 1)
	need := callable
	if b.opts.TrackReachable {
		need |= reachable
	}
	endpoints := make([]*Endpoint, 0, len(b.endpoints))
	for i, s := range b.states {
		if s&need == need {
			endpoints = append(endpoints, b.endpoints[i])
		}
	}
	v := &view{service: b.snapshot.Service, endpoints: endpoints}
	if len(endpoints) == 0 {
		v.none = b.whyNone()
	} else {
		b.picker = b.policy.Build(b.env, endpoints, b.picker)
		v.picker = b.picker
	}
	v.observer, _ = b.picker.(Observer)
	b.view.Store(v)
	b.changedAgain = true
}

// notify calls OnChange if a view was compiled, without holding mu, so that
// OnChange may take locks under which others call the balancer. When another
// goroutine is at it already, that one calls once more.
func (b *Balancer) notify() {
	if b.opts.OnChange == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.notifying {
		return
	}
	b.notifying = true
	for b.changedAgain {
		b.changedAgain = false
		b.mu.Unlock()
		b.opts.OnChange()
		b.mu.Lock()
	}
	b.notifying = false
}

// merge brings the endpoints in line with the snapshot, and reports whether
// anything changed. Both are sorted, and an instance that did not change is
// the same pointer, so that one change among many costs a scan of pointers.
// The caller holds mu.
func (b *Balancer) merge(s *adsum.Snapshot) bool {
	var old []*adsum.Instance
	if b.snapshot != nil {
		old = b.snapshot.Instances
	}
	b.snapshot = s
	endpoints, states := make([]*Endpoint, len(s.Instances)), make([]state, len(s.Instances))
	changed := len(s.Instances) != len(old)
	i := 0
	for j, in := range s.Instances {
		for i < len(old) && old[i] != in && old[i].ID < in.ID {
			i++
		}
		switch {
		case i < len(old) && old[i] == in:
			endpoints[j], states[j] = b.endpoints[i], b.states[i]
			i++
			continue
		case i < len(old) && old[i].ID == in.ID:
			endpoints[j], states[j] = b.endpoints[i], b.states[i]
			i++
		}
		endpoints[j], states[j] = b.revise(endpoints[j], states[j], in)
		changed = true
	}
	b.endpoints, b.states = endpoints, states
	return changed
}

// revise applies what the registry says now to an endpoint, nil if it is new.
// One that is called at another address than before is new: what was learned
// of it, and whether it can be reached, was true of somebody else.
func (b *Balancer) revise(ep *Endpoint, s state, in *adsum.Instance) (*Endpoint, state) {
	addr, protocol := in.Address(b.opts.Protocols...)
	if ep != nil && ep.addr == addr && ep.protocol == protocol {
		ep.instance.Store(in)
	} else {
		ep, s = newEndpoint(in, addr, protocol), 0
	}
	s &^= callable
	if in.Status.Callable() {
		s |= callable
	}
	return ep, s
}

// whyNone explains an empty view. The caller holds mu.
func (b *Balancer) whyNone() error {
	if b.snapshot == nil || !b.snapshot.Known() {
		return fmt.Errorf("%w: nothing is known of the service yet", ErrNoEndpoint)
	}
	if len(b.endpoints) == 0 {
		return fmt.Errorf("%w: no instance of %s is registered", ErrNoEndpoint, b.snapshot.Service)
	}
	passing := 0
	for _, s := range b.states {
		if s&callable != 0 {
			passing++
		}
	}
	if passing == 0 {
		return fmt.Errorf("%w: %s has %d instances, none of them passing", ErrNoEndpoint, b.snapshot.Service, len(b.endpoints))
	}
	return fmt.Errorf("%w: %s has %d passing instances, none of them reachable", ErrNoEndpoint, b.snapshot.Service, passing)
}

// index returns where in the sorted endpoints the id is, or -1.
func index(endpoints []*Endpoint, id string) int {
	i := sort.Search(len(endpoints), func(i int) bool { return endpoints[i].id >= id })
	if i < len(endpoints) && endpoints[i].id == id {
		return i
	}
	return -1
}

func find(endpoints []*Endpoint, id string) *Endpoint {
	if i := index(endpoints, id); i >= 0 {
		return endpoints[i]
	}
	return nil
}
