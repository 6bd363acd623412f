package lb

import (
	"fmt"
	"slices"
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
	selected                    // by the policy, if it is a Selector
)

// Update gives the balancer the newest snapshot of the service.
func (b *Balancer) Update(s *adsum.Snapshot) {
	b.mu.Lock()
	first := b.snapshot == nil || b.snapshot.Known() != s.Known()
	if b.merge(s) || first {
		b.selectAnew()
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

// Wants reports whether ep may be called as soon as it can be reached: its
// status allows it, and the policy selects it. A transport that keeps
// connections needs none to the others.
func (b *Balancer) Wants(ep *Endpoint) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := index(b.endpoints, ep.id)
	need := b.need() &^ reachable
	return i >= 0 && b.endpoints[i] == ep && b.states[i]&need == need
}

// Callable returns the endpoints that the policy has to choose from now, sorted
// by id. The slice must not be modified.
func (b *Balancer) Callable() []*Endpoint { return b.view.Load().callable }

// Panicking reports whether so many endpoints fail that the policy calls all of
// them again; see [Ejection].
func (b *Balancer) Panicking() bool {
	return b.view.Load().panicking()
}

func (v *view) panicking() bool {
	p, ok := v.picker.(interface{ Panicking() bool })
	return ok && p.Panicking()
}

// rebuild compiles the view soon, for a policy that knows something new.
func (b *Balancer) rebuild() {
	b.mu.Lock()
	b.changed()
	b.mu.Unlock()
	b.notify()
}

// Close stops a compilation that is still due. Picks go on with the last view.
func (b *Balancer) Close() {
	b.env.close()
	if b.opts.Inspector != nil {
		b.opts.Inspector.remove(b)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
}

// changed compiles at once after a quiet time, and while there is nobody to
// call; else when the window is over. The caller holds mu, and calls notify
// after it.
func (b *Balancer) changed() {
	if b.closed || b.timer != nil {
		return
	}
	quiet := b.env.Now() - b.compiledAt
	if quiet >= b.opts.Window || len(b.view.Load().endpoints) == 0 {
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
	b.compiledAt = b.env.Now()
	endpoints := b.having(b.need())
	v := &view{service: b.snapshot.Service, callable: endpoints, endpoints: endpoints}
	if len(endpoints) == 0 {
		v.none = b.whyNone()
	} else {
		b.picker = b.policy.Build(b.env, endpoints, b.picker)
		v.picker = b.picker
		if n, ok := b.picker.(Narrower); ok {
			v.endpoints = n.Narrowed()
		}
	}
	v.observer, v.observed = b.picker.(Observer)
	v.observed = v.observed || b.needs != 0
	b.publish(v)
	b.changedAgain = true
}

// publish makes v the view that picks read. The caller holds mu.
func (b *Balancer) publish(v *view) {
	if b.recorder != nil {
		unrecorded := *v
		v.recorder, v.field, v.unrecorded = b.recorder, b.field(), &unrecorded
	}
	b.view.Store(v)
}

// need is what makes an endpoint one to choose from.
func (b *Balancer) need() state {
	need := callable
	if b.opts.TrackReachable {
		need |= reachable
	}
	if _, ok := b.policy.(Selector); ok {
		need |= selected
	}
	return need
}

// selectAnew asks the policy which endpoints it wants. The caller holds mu.
func (b *Balancer) selectAnew() {
	s, ok := b.policy.(Selector)
	if !ok {
		return
	}
	chosen := s.Select(b.having(callable))
	for i, ep := range b.endpoints {
		b.states[i] &^= selected
		if len(chosen) > 0 && chosen[0] == ep {
			b.states[i] |= selected
			chosen = chosen[1:]
		}
	}
}

// having returns the endpoints whose state includes need. The caller holds mu.
func (b *Balancer) having(need state) []*Endpoint {
	lacks := func(s state) bool { return s&need != need }
	first := slices.IndexFunc(b.states, lacks)
	if first < 0 {
		return b.endpoints
	}
	// Runs are copied as a whole: one by one, each pointer would pass the
	// collector's write barrier.
	endpoints := make([]*Endpoint, 0, len(b.endpoints)-1)
	endpoints = append(endpoints, b.endpoints[:first]...)
	for i := first + 1; i < len(b.states); {
		run := slices.IndexFunc(b.states[i:], lacks)
		if run < 0 {
			run = len(b.states) - i
		}
		endpoints = append(endpoints, b.endpoints[i:i+run]...)
		i += run + 1
	}
	return endpoints
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
	if sameIDs(old, s.Instances) {
		return b.mergeInPlace(old, s.Instances)
	}
	b.mergeAnew(old, s.Instances)
	return true
}

// mergeInPlace merges two sets of the same ids.
func (b *Balancer) mergeInPlace(old, instances []*adsum.Instance) (changed bool) {
	shared := true // with those who were given the endpoints
	for i := same(old, instances); i < len(instances); i += 1 + same(old[i+1:], instances[i+1:]) {
		ep, s := b.revise(b.endpoints[i], b.states[i], instances[i])
		if ep != b.endpoints[i] {
			if shared {
				b.endpoints, shared = slices.Clone(b.endpoints), false
			}
			b.endpoints[i] = ep
		}
		b.states[i] = s
		changed = true
	}
	return changed
}

// mergeAnew merges any two sets.
func (b *Balancer) mergeAnew(old, instances []*adsum.Instance) {
	endpoints, states := make([]*Endpoint, 0, len(instances)), make([]state, 0, len(instances))
	i := 0
	for j := 0; j < len(instances); {
		if run := same(old[i:], instances[j:]); run > 0 {
			endpoints, states = append(endpoints, b.endpoints[i:i+run]...), append(states, b.states[i:i+run]...)
			i, j = i+run, j+run
			continue
		}
		in := instances[j]
		if i < len(old) && old[i].ID < in.ID {
			i++ // it left
			continue
		}
		var ep *Endpoint
		var s state
		if i < len(old) && old[i].ID == in.ID {
			ep, s = b.endpoints[i], b.states[i]
			i++
		}
		ep, s = b.revise(ep, s, in)
		endpoints, states = append(endpoints, ep), append(states, s)
		j++
	}
	b.endpoints, b.states = endpoints, states
}

// same returns for how long two lists begin with the same instances.
func same(a, b []*adsum.Instance) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func sameIDs(a, b []*adsum.Instance) bool {
	return slices.EqualFunc(a, b, func(a, b *adsum.Instance) bool { return a == b || a.ID == b.ID })
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
	passing, wanted := b.count(callable), b.count(b.need()&^reachable)
	if passing == 0 {
		return fmt.Errorf("%w: %s has %d instances, none of them passing", ErrNoEndpoint, b.snapshot.Service, len(b.endpoints))
	}
	if wanted == 0 {
		return fmt.Errorf("%w: %s has %d passing instances, none of them selected by the policy %s", ErrNoEndpoint, b.snapshot.Service, passing, b.policy.Name())
	}
	return fmt.Errorf("%w: %s has %d passing instances, none of them reachable", ErrNoEndpoint, b.snapshot.Service, wanted)
}

// count counts the endpoints whose state includes need. The caller holds mu.
func (b *Balancer) count(need state) (n int) {
	for _, s := range b.states {
		if s&need == need {
			n++
		}
	}
	return n
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
