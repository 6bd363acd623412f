package lbtest

import (
	"math"
	"slices"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// Run is a world that runs.
type Run struct {
	World
	random func() uint64
	now    time.Duration
	start  time.Time
	agenda Agenda

	clients   []Client
	budgets   []*lb.Budget
	hedges    []*lb.Hedge
	latencies []time.Duration
	report    Report
	calls     int // counted
	sent      int // tries of those
}

// request is a call on its way; try is one time that it was sent.
type request struct {
	lb.Call
	client int
	since  time.Duration
	tries  []*try
	open   int // tries
	over   bool
}

type try struct {
	*request
	server *Server
	done   func(Answer)
	came   time.Duration // to the server
	over   bool          // answered or given up

	timedOut bool
}

// Run must be called in a bubble, and returns when the last call is over.
func (w World) Run(seed uint64) Report {
	r := &Run{World: w, random: Random(seed)}
	if r.Patience == 0 {
		r.Patience = time.Second
	}
	r.report.Load = make([]int, len(r.Servers))
	var zones []string
	for i, s := range r.Servers {
		*s = Server{Mean: s.Mean, Slower: s.Slower, Pause: s.Pause, Fails: s.Fails, Zone: s.Zone, number: i, open: map[*try]bool{}}
		zones = append(zones, s.Zone)
	}
	for n := range r.Clients {
		budget := &lb.Budget{}
		r.budgets = append(r.budgets, budget)
		r.hedges = append(r.hedges, &lb.Hedge{Quantile: r.Hedge, Budget: budget})
		// Generators that are seeded by the time must not all be alike.
		time.Sleep(time.Duration(r.random() % uint64(time.Microsecond)))
		setting := Setting{n, len(r.Servers), zones, Random(r.random()), r.probe}
		if r.Silent {
			setting.Probe = nil
		}
		r.clients = append(r.clients, r.Client(setting))
	}
	r.start = time.Now()
	for _, h := range r.Happens {
		r.in(h.At, func() { h.Do(r) })
	}
	r.in(connecting, r.arrive)
	r.loop()
	for _, c := range r.clients {
		c.Close()
	}
	return r.sum()
}

// connecting is the time that clients have for it before the first call.
const connecting = 10 * time.Millisecond

// Random is a source of random bits, not safe for concurrent use: SplitMix64.
func Random(seed uint64) func() uint64 {
	return func() uint64 {
		seed += 0x9e3779b97f4a7c15
		x := seed
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
}

// Now is the time since the start.
func (r *Run) Now() time.Duration { return r.now }

func (r *Run) in(d time.Duration, do func()) { r.unless(nil, d, do) }

// unless does something in d, unless the try is over by then.
func (r *Run) unless(over *try, d time.Duration, do func()) {
	r.agenda.addUnless(over, r.now+d, do)
}

// loop runs until nothing is left to happen. What balancers do on their own they
// do while the loop sleeps, or, where it does not, before it goes on.
func (r *Run) loop() {
	for at, do, ok := r.agenda.Next(); ok; at, do, ok = r.agenda.Next() {
		if at > r.now {
			r.now = at
			time.Sleep(r.now - time.Since(r.start))
		} else {
			synctest.Wait()
		}
		do()
	}
}

// exponential draws from the distribution of that mean.
func (r *Run) exponential(mean float64) time.Duration {
	return time.Duration(-mean * math.Log((float64(r.random()>>11)+0.5)/(1<<53)))
}

func (r *Run) sum() Report {
	slices.Sort(r.latencies)
	at := func(q float64) time.Duration { return r.latencies[int(q*float64(len(r.latencies)-1))] }
	report := r.report
	report.Calls = r.calls
	if r.calls == 0 {
		return report
	}
	for _, l := range r.latencies {
		report.Trace = report.Trace*31 + uint64(l)
	}
	report.P50, report.P99, report.P999 = at(0.5), at(0.99), at(0.999)
	report.Errors = float64(len(report.Failed)) / float64(r.calls)
	report.Sent = float64(r.sent) / float64(r.calls)
	return report
}
