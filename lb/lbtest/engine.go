package lbtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// Policy makes clients of this library's engine, which follow the registry and
// keep connections as our transports do, and ask servers for their load if the
// policy wants that.
func Policy(policy lb.Policy) func(Setting) Client {
	return PolicyFor(func(Setting) lb.Policy { return policy })
}

// PolicyFor makes clients of this library's engine, each with a policy of its
// own, such as one with the client's zone or a subset.
func PolicyFor(policy func(Setting) lb.Policy) func(Setting) Client {
	return func(s Setting) Client { return newEngine(policy(s), s) }
}

type engine struct {
	balancer   *lb.Balancer
	instances  []*adsum.Instance
	numbers    map[string]int // of servers, by their id
	listed     []bool
	down       []bool
	generation uint64
}

func newEngine(policy lb.Policy, s Setting) *engine {
	e := &engine{
		instances: make([]*adsum.Instance, s.Servers),
		numbers:   make(map[string]int, s.Servers),
		listed:    make([]bool, s.Servers),
		down:      make([]bool, s.Servers),
	}
	e.balancer = lb.New(policy, lb.Options{TrackReachable: true, Rand: s.Random, Probe: e.prober(s)})
	all := make([]int, s.Servers)
	for i := range e.instances {
		all[i] = i
		e.instances[i] = &adsum.Instance{
			ID: fmt.Sprintf("copy-%05d", i), Service: "book", Addr: Address(i), Weight: 1, Status: adsum.Passing,
		}
		if s.Zones != nil {
			e.instances[i].Zone = s.Zones[i]
		}
		e.numbers[e.instances[i].ID] = i
	}
	e.List(all)
	return e
}

// Address is that of a server.
func Address(server int) string {
	return fmt.Sprintf("10.%d.%d.%d:50051", server>>16, server>>8&255, server&255)
}

func (e *engine) Pick(call *lb.Call) (int, func(Answer), error) {
	picked, err := e.balancer.Pick(call)
	if err != nil {
		return 0, nil, err
	}
	call.Tried = append(call.Tried, picked.Endpoint)
	return e.numbers[picked.Endpoint.ID()], func(a Answer) {
		outcome := lb.Outcome{Result: a.Result, Deadline: a.Deadline}
		if a.Load != nil {
			outcome.Load = a.Load.told()
		}
		picked.Done(outcome)
	}, nil
}

// prober asks servers for their load; nil if they cannot be asked.
func (e *engine) prober(s Setting) func(*lb.Endpoint) bool {
	if s.Probe == nil {
		return nil
	}
	return func(ep *lb.Endpoint) bool {
		s.Probe(e.numbers[ep.ID()], func(l Load) { e.balancer.Loaded(ep, l.told()) })
		return true
	}
}

// told is the load as our engine takes it.
func (l Load) told() lb.Load {
	return lb.Load{Known: true, InFlight: l.InFlight, Queue: l.Queue, Service: l.Service, Utilization: l.Utilization}
}

func (e *engine) List(servers []int) {
	e.generation++
	s := &adsum.Snapshot{Service: "book", Generation: e.generation, Instances: make([]*adsum.Instance, len(servers))}
	listed := make([]bool, len(e.listed))
	for n, i := range servers {
		s.Instances[n], listed[i] = e.instances[i], true
	}
	e.balancer.Update(s)
	for _, i := range servers {
		if !e.listed[i] {
			e.Connected(i, !e.down[i])
		}
	}
	e.listed = listed
}

func (e *engine) Connected(server int, can bool) {
	e.down[server] = !can
	id, all := e.instances[server].ID, e.balancer.Endpoints()
	at, found := slices.BinarySearchFunc(all, id, func(ep *lb.Endpoint, id string) int { return strings.Compare(ep.ID(), id) })
	if found {
		e.balancer.SetReachable(all[at], can)
	}
}

func (e *engine) Close() { e.balancer.Close() }
