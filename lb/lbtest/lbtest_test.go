package lbtest_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbtest"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func run(t *testing.T, seed uint64, w lbtest.World) (r lbtest.Report) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { r = w.Run(seed) })
	return r
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestOneSeedGivesOneRun(t *testing.T) {
	world := lbtest.World{
		Client: lbtest.Policy(lb.Routing{}), Clients: 5, Servers: lbtest.Fleet(5, func(i int, s *lbtest.Server) { s.Fails = i == 0 }),
		Rate: lbtest.Full(2), Lasts: 2 * time.Second,
		Happens: []lbtest.Happening{{At: time.Second, Do: func(r *lbtest.Run) {
			r.Stop(1)
			r.List(100*time.Millisecond, []int{0, 2, 3, 4})
		}}},
	}
	if a, b, c := run(t, 1, world), run(t, 1, world), run(t, 2, world); a.Trace != b.Trace || a.Trace == c.Trace {
		t.Errorf("traces %x, %x and, of another seed, %x", a.Trace, b.Trace, c.Trace)
	}
}

func TestWhatHappensToServersIsSeenByCalls(t *testing.T) {
	const n = 4
	happen := func(do func(*lbtest.Run)) lbtest.Report {
		return run(t, 1, lbtest.World{
			Client: lbtest.Policy(lb.RoundRobin), Clients: 2, Servers: lbtest.Fleet(n, nil), Rate: 1000, Lasts: 3 * time.Second,
			Happens: []lbtest.Happening{{At: time.Second, Do: do}},
		})
	}
	calm := happen(func(*lbtest.Run) {})
	if calm.Errors != 0 || calm.Sent != 1 || calm.MostLoaded() > 1.01 || calm.Calls < 2800 || calm.Calls > 3200 {
		t.Errorf("nothing happens: %v, load %v", calm, calm.Load)
	}
	// Only what is under way is lost: connections tell.
	if r := happen(func(r *lbtest.Run) { r.Stop(3) }); r.Errors == 0 || r.Errors > 0.01 || r.Load[3] > calm.Load[3]/2 {
		t.Errorf("one stops: %v, %d failed, load %v", r, len(r.Failed), r.Load)
	}
	// Nothing tells of a black one, and a quarter of the calls wait in vain.
	r := happen(func(r *lbtest.Run) { r.Freeze(3) })
	if r.Errors < 0.15 || r.Errors > 0.18 || r.P99 != time.Second {
		t.Errorf("one goes black: %v", r)
	}
	for _, f := range r.Failed {
		if f.Ended-f.Began != time.Second || f.Ended < time.Second {
			t.Fatalf("a call failed from %v to %v", f.Began, f.Ended)
		}
	}
	// Until the registry does.
	if told := happen(func(r *lbtest.Run) { r.Freeze(3); r.List(500*time.Millisecond, all(3)) }); told.Errors > r.Errors/2 || told.Errors == 0 {
		t.Errorf("one goes black and is taken off the list: %v", told)
	}
	back := happen(func(r *lbtest.Run) {
		r.Stop(3)
		r.List(0, all(3))
		r.After(500*time.Millisecond, func() { r.Start(3); r.List(0, all(4)) })
	})
	if back.Load[3] < calm.Load[3]*3/4 || back.Errors > 0.01 {
		t.Errorf("one comes back: %v, load %v", back, back.Load)
	}
}

func TestTriesGoToOtherServers(t *testing.T) {
	world := lbtest.World{
		Client: lbtest.Policy(lb.RoundRobin), Clients: 2, Servers: lbtest.Fleet(2, func(i int, s *lbtest.Server) { s.Fails = i == 0 }),
		Rate: 100, Lasts: 2 * time.Second,
	}
	if r := run(t, 1, world); r.Errors < 0.4 || r.Sent != 1 {
		t.Errorf("one try: %v", r)
	}
	world.Tries, world.Backoff = 2, &lb.Backoff{}
	if r := run(t, 1, world); r.Errors != 0 || r.Sent < 1.4 || r.P99 < 25*time.Millisecond {
		t.Errorf("two tries: %v", r)
	}
	world.Budget = true
	if r := run(t, 1, world); r.Errors == 0 || r.Sent > 1.35 {
		t.Errorf("within a budget: %v", r)
	}
}

// reading is a client that reads what servers say.
type reading struct {
	lbtest.Client
	seen *[]lbtest.Load
}

func (c reading) Pick(call *lb.Call) (int, func(lbtest.Answer), error) {
	server, done, err := c.Client.Pick(call)
	return server, func(a lbtest.Answer) {
		*c.seen = append(*c.seen, *a.Load)
		done(a)
	}, err
}

func TestServersTellTheirLoad(t *testing.T) {
	var seen []lbtest.Load
	run(t, 1, lbtest.World{
		Client:  func(s lbtest.Setting) lbtest.Client { return reading{lbtest.Policy(lb.RoundRobin)(s), &seen} },
		Clients: 1, Servers: lbtest.Fleet(1, nil), Rate: 0.5 * lbtest.Full(1), Lasts: 20 * time.Second,
	})
	var busy, rate float64
	for _, load := range seen {
		busy += load.Utilization / float64(len(seen))
		rate += load.Rate / float64(len(seen))
	}
	if busy < 0.45 || busy > 0.55 || rate < 180 || rate > 220 {
		t.Errorf("utilization %.2f, %.0f requests a second", busy, rate)
	}
}

func TestServersThatAreUpAnswerProbes(t *testing.T) {
	var told []int
	run(t, 1, lbtest.World{
		Client: func(s lbtest.Setting) lbtest.Client {
			for n := range s.Servers {
				s.Probe(n, func(lbtest.Load) { told = append(told, n) })
			}
			return lbtest.Policy(lb.RoundRobin)(s)
		},
		Clients: 1, Servers: lbtest.Fleet(3, nil), Rate: 100, Lasts: time.Second,
		Happens: []lbtest.Happening{{Do: func(r *lbtest.Run) { r.Freeze(1) }}},
	})
	if !slices.Equal(told, []int{0, 2}) {
		t.Errorf("told by %v", told)
	}
}
