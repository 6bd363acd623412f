package lb

// RoundRobin sends calls to one endpoint after the other, in the order of
// their ids. The one cursor belongs to the balancer and survives updates, so
// that a change of the set does not send everybody back to the first.
var RoundRobin Policy = roundRobin{}

type roundRobin struct{}

func (roundRobin) Name() string { return "round_robin" }

func (roundRobin) Build(env *Env, endpoints []*Endpoint, _ Picker) Picker {
	return &roundRobinPicker{env, endpoints}
}

type roundRobinPicker struct {
	env       *Env
	endpoints []*Endpoint
}

func (p *roundRobinPicker) Pick(*Call) *Endpoint {
	return p.endpoints[(p.env.Cursor.Add(1)-1)%uint64(len(p.endpoints))]
}
