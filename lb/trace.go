package lb

import "math"

// Explainer is a [Picker] that can tell how it picks. One that cannot is asked
// by Pick, and an explanation of its picks names no rule and no scores.
type Explainer interface {
	Picker
	// Explain picks as Pick does, by the same rule, and tells trace how. Where
	// [Trace.Dry] says so nobody will be called, and whatever the picker
	// remembers from pick to pick, such as whose turn it is, must stay as it
	// is. It may allocate.
	Explain(call *Call, trace *Trace) *Endpoint
}

// Objector is a [Selector], or the [Picker] of one that is a [Narrower], which
// can tell why it leaves out an endpoint.
type Objector interface {
	// WhyNot is asked about an endpoint that was not selected, or is not
	// among the narrowed ones.
	WhyNot(ep *Endpoint) LeftOut
}

// Trace takes down how one pick was made. Its methods may be called by the
// goroutine that picks.
type Trace struct {
	dry   bool
	asked int       // how often the policy was
	last  *Endpoint // its last answer

	rule     string
	scores   map[*Endpoint]float64
	narrowed []narrowing
	left     map[*Endpoint]LeftOut
	zone     string
	stays    float64
	spilled  bool
}

// narrowing is a step of a pick that goes on with some of the endpoints.
type narrowing struct {
	with []*Endpoint // sorted by id
	why  LeftOut     // the others are left out
}

// Dry reports whether the pick is hypothetical: nobody will be called.
func (t *Trace) Dry() bool { return t.dry }

// Rule says in a few words how the choice is made, and what scores mean.
func (t *Trace) Rule(rule string) { t.rule = rule }

// Compare says that ep was one of those that were compared, with the score
// that it had.
func (t *Trace) Compare(ep *Endpoint, score float64) {
	switch {
	case math.IsNaN(score):
		return
	case math.IsInf(score, 0):
		score = math.Copysign(math.MaxFloat64, score) // JSON has no infinity
	}
	if t.scores == nil {
		t.scores = map[*Endpoint]float64{}
	}
	t.scores[ep] = score
}

// LeaveOut says that ep was not considered, and why.
func (t *Trace) LeaveOut(ep *Endpoint, why LeftOut) {
	if t.left == nil {
		t.left = map[*Endpoint]LeftOut{}
	}
	t.left[ep] = why
}

// Narrow says that the pick goes on with these endpoints, sorted by id, and why
// the others are left out of it.
func (t *Trace) Narrow(with []*Endpoint, why LeftOut) {
	t.narrowed = append(t.narrowed, narrowing{with, why})
}

// Ask picks by another picker, which tells the trace if it can.
func (t *Trace) Ask(p Picker, call *Call) *Endpoint {
	if x, ok := p.(Explainer); ok {
		return x.Explain(call, t)
	}
	return p.Pick(call)
}

// traced is a picker that tells a trace of every pick. What was compared in
// vain stays in it; all else is that of the last pick.
type traced struct {
	Picker
	trace *Trace
}

func (p traced) Pick(call *Call) *Endpoint {
	t := p.trace
	t.asked++
	t.narrowed, t.left, t.zone, t.spilled, t.stays = nil, nil, "", false, 0
	t.last = t.Ask(p.Picker, call)
	return t.last
}
