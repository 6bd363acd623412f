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

// SetPolicy replaces the policy, for calls from now on. What was learned of the
// endpoints stays: latencies, calls under way, who can be reached. A [Routing] also
// takes over from another one who is ejected, and who is still starting slowly.
// A policy that counts the calls under way does not know of those that began under
// one that did not.
//
// A transport that keeps connections must ask [Balancer.Wants] again afterwards.
func (b *Balancer) SetPolicy(policy Policy) {
	b.mu.Lock()
	b.regime = b.newRegime(policy)
	b.retire()
	if b.snapshot != nil {
		b.selectAnew()
		b.compile()
	} else {
		b.publish(&view{regime: b.regime, none: b.whyNone()})
	}
	b.mu.Unlock()
	b.notify()
}

// retire lets a [Routing] undo what it did to weights, if its successor is another
// kind of policy, which would leave them as they are. The caller holds mu.
func (b *Balancer) retire() {
	p, routed := b.picker.(*routingPicker)
	if _, routes := b.regime.policy.(Routing); routed && !routes && p.slowStart != nil {
		p.slowStart.successor(0)
	}
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
	need := b.need()
	endpoints := having(b.endpoints, b.states, need)
	v := &view{regime: b.regime, service: b.snapshot.Service, callable: endpoints, endpoints: endpoints}
	if len(endpoints) == 0 {
		v.none = b.whyNone()
	} else {
		b.env.weighed.Store(&weighed{endpoints, having(b.weights, b.states, need)})
		b.picker = b.regime.policy.Build(b.env, endpoints, b.picker)
		v.picker = b.picker
		if n, ok := b.picker.(Narrower); ok {
			v.endpoints = n.Narrowed()
		}
		if r, ok := b.picker.(*routingPicker); ok {
			v.guarded = r.guarded
		}
	}
	v.observer, v.observed = b.picker.(Observer)
	v.observed = v.observed || b.regime.needs != 0
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
	if _, ok := b.regime.policy.(Selector); ok {
		need |= selected
	}
	return need
}

// selectAnew asks the policy which endpoints it wants. The caller holds mu.
func (b *Balancer) selectAnew() {
	s, ok := b.regime.policy.(Selector)
	if !ok {
		return
	}
	candidates := having(b.endpoints, b.states, callable)
	chosen := s.Select(candidates)
	if len(chosen) == len(candidates) {
		for i, s := range b.states {
			b.states[i] = s &^ selected
			if s&callable != 0 {
				b.states[i] |= selected
			}
		}
		return
	}
	for i, ep := range b.endpoints {
		b.states[i] &^= selected
		if len(chosen) > 0 && chosen[0] == ep {
			b.states[i] |= selected
			chosen = chosen[1:]
		}
	}
}

// having returns those of the list whose state includes need; the list itself
// if these are all.
func having[T any](list []T, states []state, need state) []T {
	first := lacking(states, need)
	if first == len(states) {
		return list
	}
	// Runs are copied as a whole: one by one, each pointer would pass the
	// collector's write barrier.
	some := make([]T, 0, len(list)-1)
	some = append(some, list[:first]...)
	for i := first + 1; i < len(states); {
		run := lacking(states[i:], need)
		some = append(some, list[i:i+run]...)
		i += run + 1
	}
	return some
}

// lacking returns the index of the first state that does not include need, the
// number of states if all do.
func lacking(states []state, need state) int {
	var usual [block]state // is compared at once, and most are like it
	for i := range usual {
		usual[i] = need
	}
	i := 0
	for i+block <= len(states) && [block]state(states[i:]) == usual {
		i += block
	}
	for i < len(states) && states[i]&need == need {
		i++
	}
	return i
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
	start := same(old, s.Instances)
	if start == len(old) && start == len(s.Instances) {
		return false
	}
	end := sameEnd(old[start:], s.Instances[start:])
	b.mergePart(start, old[start:len(old)-end], s.Instances[start:len(s.Instances)-end])
	return true
}

// mergePart puts instances in the place of the old ones, which begin at start.
func (b *Balancer) mergePart(start int, old, instances []*adsum.Instance) {
	end := start + len(old)
	m := merging{b: b, endpoints: b.endpoints[start:end], states: b.states[start:end], weights: b.weights[start:end]}
	m.merge(old, instances)
	b.states = slices.Replace(b.states, start, end, m.newStates...)
	// These two are shared with those who were given them.
	if !slices.Equal(m.endpoints, m.newEndpoints) {
		b.endpoints = replaced(b.endpoints, start, end, m.newEndpoints)
	}
	if !slices.Equal(m.weights, m.newWeights) {
		b.weights = replaced(b.weights, start, end, m.newWeights)
	}
}

// replaced is a copy of list with others in the place of those from start to end.
func replaced[T any](list []T, start, end int, others []T) []T {
	return slices.Concat(list[:start], others, list[end:])
}

// merging is the part of the endpoints that a snapshot changes.
type merging struct {
	b         *Balancer
	endpoints []*Endpoint
	states    []state
	weights   []float32

	newEndpoints []*Endpoint
	newStates    []state
	newWeights   []float32
}

func (m *merging) merge(old, instances []*adsum.Instance) {
	m.newEndpoints, m.newStates, m.newWeights =
		make([]*Endpoint, 0, len(instances)), make([]state, 0, len(instances)), make([]float32, 0, len(instances))
	i := 0
	for j := 0; j < len(instances); {
		if run := same(old[i:], instances[j:]); run > 0 {
			m.keep(i, run)
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
			ep, s = m.endpoints[i], m.states[i]
			i++
		}
		ep, s = m.b.revise(ep, s, in)
		m.newEndpoints, m.newStates, m.newWeights = append(m.newEndpoints, ep), append(m.newStates, s), append(m.newWeights, weightOf(in))
		j++
	}
}

// keep takes over a run of endpoints that did not change.
func (m *merging) keep(at, run int) {
	m.newEndpoints = append(m.newEndpoints, m.endpoints[at:at+run]...)
	m.newStates = append(m.newStates, m.states[at:at+run]...)
	m.newWeights = append(m.newWeights, m.weights[at:at+run]...)
}

// block is how many elements are compared at once, by the widest instructions
// that the processor has.
const block = 64

// same returns for how long two lists begin with the same instances.
func same(a, b []*adsum.Instance) int {
	n := min(len(a), len(b))
	i := 0
	for i+block <= n && [block]*adsum.Instance(a[i:]) == [block]*adsum.Instance(b[i:]) {
		i += block
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// sameEnd returns for how long two lists end with the same instances.
func sameEnd(a, b []*adsum.Instance) int {
	n := min(len(a), len(b))
	a, b = a[len(a)-n:], b[len(b)-n:]
	i := n
	for i >= block && [block]*adsum.Instance(a[i-block:]) == [block]*adsum.Instance(b[i-block:]) {
		i -= block
	}
	for i > 0 && a[i-1] == b[i-1] {
		i--
	}
	return n - i
}

// revise applies what the registry says now to an endpoint, nil if it is new.
// One that is called at another address than before is new: what was learned
// of it, and whether it can be reached, was true of somebody else.
func (b *Balancer) revise(ep *Endpoint, s state, in *adsum.Instance) (*Endpoint, state) {
	addr, protocol := in.Address(b.opts.Protocols...)
	if ep == nil || ep.addr != addr || ep.protocol != protocol {
		ep, s = newEndpoint(in.ID, addr, protocol), 0
	}
	ep.revise(in)
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
		return fmt.Errorf("%w: %s has %d passing instances, none of them selected by the policy %s", ErrNoEndpoint, b.snapshot.Service, passing, b.regime.policy.Name())
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
