package lb

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/adsum-go/adsum"
)

// Explanation is how one pick was made, or would be made now. Its form in JSON
// is a contract: later versions only add keys.
type Explanation struct {
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	// Generation is that of the snapshot picked from.
	Generation uint64 `json:"generation"`
	Policy     string `json:"policy"`
	// Rule is how the policy chose, and what Score means, in words; "" if
	// the policy does not tell.
	Rule string `json:"rule"`
	// Hypothetical says that nobody was called.
	Hypothetical bool `json:"hypothetical"`
	// Key is what hashing policies went by. It is not kept of real picks,
	// where it may be somebody's name: Keyed says that there was one.
	Key   string `json:"key"`
	Keyed bool   `json:"keyed"`
	// Tried are the ids of those that the call went to before.
	Tried []string `json:"tried"`
	// Chosen is the id of the one that was picked, and Addr its address; both
	// are "" when there was nobody, for which Error is the reason.
	Chosen string `json:"chosen"`
	Addr   string `json:"addr"`
	Error  string `json:"error"`
	// Panicking says that ejection is ignored; see [Ejection].
	Panicking bool `json:"panicking"`
	// Zone is the caller's, "" if zones do not matter. Stays is how much of
	// the calls stay in it, from 0 to 1, and SpillOver says that this one
	// did not.
	Zone      string  `json:"zone"`
	Stays     float64 `json:"stays"`
	SpillOver bool    `json:"spill_over"`
	// Total is how many endpoints there were, and LeftOut how many of them
	// were left out for which reason.
	Total   int            `json:"total"`
	LeftOut map[Reason]int `json:"left_out"`
	// Candidates are the endpoints, sorted by id. Of a recorded pick there
	// are 32 at most; those that were compared are among them.
	Candidates []Candidate `json:"candidates"`
}

// Candidate is one endpoint as a pick found it.
type Candidate struct {
	ID       string       `json:"id"`
	Addr     string       `json:"addr"`
	Protocol string       `json:"protocol"`
	Zone     string       `json:"zone"`
	Version  string       `json:"version"`
	Status   adsum.Status `json:"status"`
	// Weight is the one of the moment, lower than the registry's during
	// slow start.
	Weight float64 `json:"weight"`
	// InFlight and LatencySeconds are what the balancer measured itself, 0
	// where its policy has no use for them.
	InFlight       int64   `json:"in_flight"`
	LatencySeconds float64 `json:"latency_seconds"`
	// EjectedUntil is when the endpoint comes back, nil if it is not
	// ejected.
	EjectedUntil *time.Time `json:"ejected_until"`
	// Reason is why it was left out, "" if it was not; Detail says more.
	Reason Reason `json:"reason"`
	Detail string `json:"detail"`
	// Score is what it was compared by, nil if it was not.
	Score  *float64 `json:"score"`
	Chosen bool     `json:"chosen"`
}

// LeftOut is why an endpoint was left out of a pick.
type LeftOut struct {
	Reason Reason
	Detail string // says more to people; may be ""
}

// Reason is why an endpoint was left out, in one word.
type Reason string

// The reasons of this package. A policy may have others.
const (
	ReasonStatus      Reason = "status"      // the registry says that it takes no calls
	ReasonFilter      Reason = "filter"      // it does not match [Routing.Filter]
	ReasonSubset      Reason = "subset"      // it is not in [Routing.Subset]
	ReasonUnreachable Reason = "unreachable" // the transport has no connection to it
	ReasonEjected     Reason = "ejected"     // it failed too often
	ReasonZone        Reason = "zone"        // it is not where this call stays, or goes
	ReasonLimit       Reason = "limit"       // it has enough to do
	ReasonCircuit     Reason = "circuit"     // it failed, and its [Circuit] is open
	ReasonTried       Reason = "tried"       // the call was there before
	ReasonPending     Reason = "pending"     // it is not in the view yet
	ReasonPolicy      Reason = "policy"      // the policy does not want it, and does not say why
)

// Explain makes a pick that nobody is called for, and tells all about it. It
// changes nothing of what the balancer knows. call may be nil. It takes a lock
// that updates take too, and time that grows with the number of endpoints: it
// is for looking at a balancer, not for calls.
func (b *Balancer) Explain(call *Call) Explanation {
	v, f := b.current()
	t := &Trace{dry: true}
	call = call.hypothetical()
	picked, err := b.pickHypothetically(v, t, call)
	x := b.explain(v, f, t, call, picked.Endpoint, err, len(f.endpoints)+1)
	x.Hypothetical = true
	if call != nil {
		x.Key = call.Key
	}
	return x
}

// pickHypothetically picks without a guard being asked for leave: those that
// would refuse are passed over like those that were tried.
func (b *Balancer) pickHypothetically(v *view, t *Trace, call *Call) (Picked, error) {
	if !v.guarded {
		return b.pickFrom(v.traced(t), call)
	}
	passing := &Call{}
	if call != nil {
		passing = call.hypothetical()
	}
	refusing := 0
	for _, ep := range v.endpoints {
		if ep.refusal(b.env.Now()).Reason != "" {
			passing.Tried = append(passing.Tried, ep)
			refusing++
		}
	}
	if refusing == len(v.endpoints) {
		return Picked{}, v.limited()
	}
	return b.pickFrom(v.traced(t), passing)
}

// hypothetical is a copy of the call for a pick that leaves no trace in it.
func (c *Call) hypothetical() *Call {
	if c == nil {
		return nil
	}
	other := &Call{Key: c.Key, Idempotent: c.Idempotent, Tried: slices.Clone(c.Tried)}
	if c.pin != nil {
		c.pin.mu.Lock()
		defer c.pin.mu.Unlock()
		other.pin = &pin{ids: maps.Clone(c.pin.ids)}
	}
	return other
}

// field is everybody whom a pick could have considered.
type field struct {
	generation uint64
	endpoints  []*Endpoint // of the snapshot, sorted by id
	states     []state     // theirs
	need       state       // to be one to choose from
}

// current returns the view that picks read, and the field.
func (b *Balancer) current() (*view, *field) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.view.Load(), b.field()
}

// field copies what is known now. The caller holds mu.
func (b *Balancer) field() *field {
	f := &field{endpoints: b.endpoints, states: slices.Clone(b.states), need: b.need()}
	if b.snapshot != nil {
		f.generation = b.snapshot.Generation
	}
	return f
}

// traced is the view for one pick that is traced.
func (v *view) traced(t *Trace) *view {
	other := *v
	other.recorder = nil
	if other.picker != nil {
		other.picker = traced{v.picker, t}
	}
	if t.dry {
		other.observed, other.guarded = false, false // there is no outcome
	}
	return &other
}

// explain puts together what a traced pick told, with at most that many
// candidates.
func (b *Balancer) explain(v *view, f *field, t *Trace, call *Call, chosen *Endpoint, err error, limit int) Explanation {
	x := Explanation{
		Time: time.Now(), Service: v.service, Generation: f.generation, Policy: v.policy.Name(), Rule: t.ruleFor(chosen),
		Keyed: call != nil && call.Key != "", Tried: []string{}, Panicking: v.panicking(),
		Zone: t.zone, Stays: t.stays, SpillOver: t.spilled,
		Total: len(f.endpoints), LeftOut: map[Reason]int{}, Candidates: []Candidate{},
	}
	if call != nil {
		for _, ep := range call.Tried {
			x.Tried = append(x.Tried, ep.id)
		}
	}
	if chosen != nil {
		x.Chosen, x.Addr = chosen.id, chosen.addr
	}
	if err != nil {
		x.Error = err.Error()
	}
	places := newPlaces(t, limit)
	why := b.whyNot(v, f, t, call, chosen)
	for i, ep := range f.endpoints {
		left := why(i)
		if left.Reason != "" {
			x.LeftOut[left.Reason]++
		}
		score, compared := t.scores[ep]
		if !places.take(ep == chosen, compared) {
			continue
		}
		c := b.candidate(v, ep, left)
		c.Chosen = ep == chosen
		if compared {
			c.Score = &score
		}
		x.Candidates = append(x.Candidates, c)
	}
	return x
}

// places are those in a list that has only so many: one for whoever was chosen,
// as many as there are for those who were compared, the rest for the others.
type places struct{ compared, others int }

func newPlaces(t *Trace, limit int) *places {
	compared := min(len(t.scores), limit-1)
	return &places{compared, limit - 1 - compared}
}

func (p *places) take(chosen, compared bool) bool {
	left := &p.others
	switch {
	case chosen:
		return true
	case compared:
		left = &p.compared
	}
	*left--
	return *left >= 0
}

// ruleFor adds to the policy's rule what the balancer did about its answer.
func (t *Trace) ruleFor(chosen *Endpoint) string {
	switch {
	case chosen == nil || chosen == t.last:
		return t.rule
	case t.asked == 0:
		return "calls of this context are pinned to one copy"
	case t.rule == "":
		return "the next one after the policy's choice, which was tried before or may not be called"
	default:
		return t.rule + "; then the next one after that, which was tried before or may not be called"
	}
}

// candidate is what is known of an endpoint.
func (b *Balancer) candidate(v *view, ep *Endpoint, left LeftOut) Candidate {
	in := ep.Instance()
	now := b.env.Now()
	c := Candidate{
		ID: ep.id, Addr: ep.addr, Protocol: ep.protocol, Zone: in.Zone, Version: in.Version, Status: in.Status,
		Weight: ep.Weight(), InFlight: ep.InFlight(), LatencySeconds: ep.latency.at(tickOf(now)) / float64(time.Second),
		Reason: left.Reason, Detail: left.Detail,
	}
	if p, ok := v.picker.(*routingPicker); ok {
		if until, away := p.awayUntil(ep); away {
			c.EjectedUntil = new(time.Now().Add(until - now).Round(time.Millisecond))
		}
	}
	return c
}

// whyNot returns what tells why the endpoint at an index of the field was left
// out. It must be called for one after the other.
func (b *Balancer) whyNot(v *view, f *field, t *Trace, call *Call, chosen *Endpoint) func(i int) LeftOut {
	choice := cursors(v.endpoints, t.narrowed)
	return func(i int) LeftOut {
		ep := f.endpoints[i]
		if s := f.states[i]; s&f.need != f.need {
			return lacks(v.policy, ep, f.need&^s)
		}
		if !choice[0].has(ep) {
			return b.narrowedAway(v, ep)
		}
		for n := range t.narrowed {
			if !choice[n+1].has(ep) {
				return t.narrowed[n].why
			}
		}
		if why, ok := t.left[ep]; ok {
			return why
		}
		if v.guarded && ep != chosen {
			if why := ep.refusal(b.env.Now()); why.Reason != "" {
				return why
			}
		}
		if ep != chosen && call.Avoids(ep) {
			return LeftOut{ReasonTried, "the call went there before"}
		}
		return LeftOut{}
	}
}

// lacks says why an endpoint is not one to choose from.
func lacks(policy Policy, ep *Endpoint, missing state) LeftOut {
	in := ep.Instance()
	switch {
	case missing&callable != 0 && in.Reason != "":
		return LeftOut{ReasonStatus, fmt.Sprintf("%s: %s", in.Status, in.Reason)}
	case missing&callable != 0:
		return LeftOut{ReasonStatus, string(in.Status)}
	case missing&selected != 0:
		return objection(policy, ep)
	default:
		return LeftOut{ReasonUnreachable, "no connection to " + ep.addr}
	}
}

// narrowedAway says why an endpoint that could be chosen is not chosen from.
func (b *Balancer) narrowedAway(v *view, ep *Endpoint) LeftOut {
	if find(v.callable, ep.id) != ep {
		return LeftOut{ReasonPending, "it has just come, or come back; a moment later it is chosen from"}
	}
	return objection(v.picker, ep)
}

// objection asks whoever left ep out for the reason.
func objection(who any, ep *Endpoint) LeftOut {
	if o, ok := who.(Objector); ok {
		return o.WhyNot(ep)
	}
	return LeftOut{Reason: ReasonPolicy}
}

// endpointCursor walks over endpoints sorted by id, along with one who walks over a
// set that has them all.
type endpointCursor struct{ left []*Endpoint }

func cursors(first []*Endpoint, rest []narrowing) []endpointCursor {
	all := []endpointCursor{{first}}
	for _, n := range rest {
		all = append(all, endpointCursor{n.with})
	}
	return all
}

// has reports whether ep, behind all that were asked for before, is there.
func (c *endpointCursor) has(ep *Endpoint) bool {
	for len(c.left) > 0 && c.left[0].id < ep.id {
		c.left = c.left[1:]
	}
	return len(c.left) > 0 && c.left[0] == ep
}
