package lb_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// FuzzSchedule runs any order of updates, words on reachability and picks
// beside a plain model of what must come of them.
func FuzzSchedule(f *testing.F) {
	f.Add([]byte{0, 3, 7, 1, 1, 200, 2, 9, 9, 9})
	f.Add([]byte{0, 255, 255, 1, 0, 1, 1, 1, 2, 2, 0, 0, 0, 2, 3, 3, 3, 0, 255, 0, 2})
	f.Fuzz(func(t *testing.T, schedule []byte) {
		for _, policy := range []lb.Policy{lb.RoundRobin, lb.Random} {
			m := &model{t: t, policy: policy.Name(), reachable: map[*lb.Endpoint]bool{}}
			m.b = lb.New(policy, lb.Options{Window: -1, TrackReachable: true})
			for i := 0; i+3 <= len(schedule); i += 3 {
				m.step(schedule[i], schedule[i+1], schedule[i+2])
			}
		}
	})
}

type model struct {
	t          *testing.T
	policy     string
	b          *lb.Balancer
	generation uint64
	instances  []*adsum.Instance
	before     []*lb.Endpoint
	reachable  map[*lb.Endpoint]bool
	call       lb.Call
}

func (m *model) step(op, x, y byte) {
	switch op % 4 {
	case 0:
		m.update(x, y)
	case 1:
		if eps := m.b.Endpoints(); len(eps) > 0 {
			ep := eps[int(x)%len(eps)]
			m.reachable[ep] = y&1 == 0
			m.b.SetReachable(ep, y&1 == 0)
		}
	case 2:
		m.pick(x&1 == 0)
	case 3:
		m.call = lb.Call{}
	}
	m.check()
}

// update keeps the instances of the bits in x, and changes those in y.
func (m *model) update(x, y byte) {
	var now []*adsum.Instance
	for i := range 8 {
		if x&(1<<i) == 0 {
			continue
		}
		in := instance(i, adsum.Passing)
		at := slices.IndexFunc(m.instances, func(old *adsum.Instance) bool { return old.ID == in.ID })
		switch {
		case at >= 0 && y&(1<<i) == 0:
			in = m.instances[at]
		case at >= 0 && y&1 == 0:
			in.Status = adsum.Critical
		case at >= 0:
			in.Addr = m.instances[at].Addr + "0"
		}
		now = append(now, in)
	}
	m.generation++
	m.instances = now
	m.b.Update(snapshot(m.generation, now...))
}

func (m *model) pick(again bool) {
	if !again {
		m.call = lb.Call{}
	}
	picked, err := m.b.Pick(&m.call)
	left := slices.DeleteFunc(slices.Clone(m.b.Callable()), m.call.Avoids)
	switch {
	case err != nil && (len(m.b.Callable()) > 0 || !errors.Is(err, lb.ErrNoEndpoint)):
		m.t.Fatalf("%s: %v, with %d callable", m.policy, err, len(m.b.Callable()))
	case err != nil:
		return
	case !slices.Contains(m.b.Callable(), picked.Endpoint):
		m.t.Fatalf("%s: picked %v, which is not callable", m.policy, picked.Endpoint)
	case len(left) > 0 && !slices.Contains(left, picked.Endpoint):
		m.t.Fatalf("%s: picked %v again, with %v left", m.policy, picked.Endpoint, left)
	}
	picked.Done(lb.Outcome{})
	m.call.Tried = append(m.call.Tried, picked.Endpoint)
}

func (m *model) check() {
	eps := m.b.Endpoints()
	if len(eps) != len(m.instances) {
		m.t.Fatalf("%d endpoints for %d instances", len(eps), len(m.instances))
	}
	var want []*lb.Endpoint
	for i, ep := range eps {
		in := m.instances[i]
		if ep.Instance() != in || ep.Addr() != in.Addr || ep.ID() != in.ID {
			m.t.Fatalf("endpoint %v is not of instance %v", ep, in)
		}
		if in.Status.Callable() && m.reachable[ep] {
			want = append(want, ep)
		}
		for _, old := range m.before {
			if old != ep && old.ID() == ep.ID() && old.Addr() == ep.Addr() {
				m.t.Fatalf("%v lost its state", ep)
			}
		}
	}
	if !slices.Equal(m.b.Callable(), want) {
		m.t.Fatalf("callable %v, want %v", m.b.Callable(), want)
	}
	m.before = eps
}
