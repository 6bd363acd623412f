package lb_test

import (
	"container/heap"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// simulation is one service under load in virtual time: an event loop on one
// goroutine inside a bubble, so that a seed gives the same run every time. Calls
// arrive at random at clients, each with a balancer of its own, and queue at
// servers, each with several workers.
type simulation struct {
	policy  lb.Policy
	clients int
	servers []*server
	rate    float64 // calls a second, of all clients
	lasts   time.Duration
	patient time.Duration // how long a caller waits; 1 s if zero
	retry   bool          // three tries at most
	budget  bool          // and one budget for each client
	hedge   bool          // at the 95th percentile, from that budget
	cancels bool          // servers drop what nobody waits for any longer
	warm    time.Duration // what happens before is not counted

	random func() uint64
	start  time.Time
	events events
	order  int

	balancers []*lb.Balancer
	budgets   []*lb.Budget
	hedges    []*lb.Hedge
	latencies []time.Duration
	calls     int
	errors    []time.Duration // when they happened
	sent      int
}

// server is a copy of the service.
type server struct {
	mean   time.Duration // of the service time, which is exponential
	slower func(now time.Duration) float64
	pause  func(now time.Duration) time.Duration // that begins then, or goes on
	fails  bool                                  // at once

	id    int
	busy  int
	queue []*try
}

const workers = 4

// request is a call on its way; try is one time that it was sent.
type request struct {
	client int
	since  time.Duration
	call   lb.Call
	tries  []*try
	open   int // tries
}

type try struct {
	*request
	picked lb.Picked
	sent   time.Duration
	over   bool // answered or given up
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// report is what a run came to.
type report struct {
	p99, p999  time.Duration
	errors     float64 // share of the calls
	errorTimes []time.Duration
	sent       float64 // tries for each call
	trace      uint64  // of all latencies, to compare runs by
}

func (r report) String() string {
	return fmt.Sprintf("p99 %6.1f ms, p99.9 %6.1f ms, errors %.3f %%, sent %.3f times",
		r.p99.Seconds()*1e3, r.p999.Seconds()*1e3, 100*r.errors, r.sent)
}

func (s *simulation) now() time.Duration { return time.Since(s.start) }

func (s *simulation) in(d time.Duration, do func()) {
	s.order++
	heap.Push(&s.events, event{s.now() + d, s.order, do})
}

// exponential draws from the distribution of that mean.
func (s *simulation) exponential(mean float64) time.Duration {
	return time.Duration(-mean * math.Log((float64(s.random()>>11)+0.5)/(1<<53)))
}

// run must be called in a bubble.
func (s *simulation) run(seed uint64) report {
	s.random, s.start = seeded(seed), time.Now()
	if s.patient == 0 {
		s.patient = time.Second
	}
	list := instances(len(s.servers))
	for i, server := range s.servers {
		server.id = i
	}
	for range s.clients {
		b := lb.New(s.policy, lb.Options{Window: -1, Rand: seeded(s.random())})
		b.Update(snapshot(1, list...))
		for i, ep := range b.Endpoints() {
			ep.Attach(s.servers[i])
		}
		budget := &lb.Budget{}
		s.balancers, s.budgets = append(s.balancers, b), append(s.budgets, budget)
		s.hedges = append(s.hedges, &lb.Hedge{Budget: budget})
	}
	s.arrive()
	for len(s.events) > 0 {
		next := heap.Pop(&s.events).(event)
		time.Sleep(next.at - s.now())
		synctest.Wait() // for what the balancers do on their own
		next.do()
	}
	for _, b := range s.balancers {
		b.Close()
	}
	return s.report()
}

func (s *simulation) report() report {
	slices.Sort(s.latencies)
	at := func(q float64) time.Duration { return s.latencies[int(q*float64(len(s.latencies)-1))] }
	trace := uint64(0)
	for _, l := range s.latencies {
		trace = trace*31 + uint64(l)
	}
	return report{
		p99: at(0.99), p999: at(0.999), trace: trace, errorTimes: s.errors,
		errors: float64(len(s.errors)) / float64(len(s.latencies)), sent: float64(s.sent) / float64(s.calls),
	}
}

func (s *simulation) arrive() {
	if s.now() >= s.lasts {
		return
	}
	s.calls++
	r := &request{client: int(s.random() % uint64(s.clients)), since: s.now()}
	s.budgets[r.client].Call()
	s.send(r)
	if delay, ok := s.hedges[r.client].Delay(); s.hedge && ok {
		s.in(delay, func() {
			if r.open == 1 && s.hedges[r.client].Spend() {
				s.send(r)
			}
		})
	}
	s.in(s.exponential(float64(time.Second)/s.rate), s.arrive)
}

func (s *simulation) send(r *request) {
	r.open++
	s.sent++
	picked, err := s.balancers[r.client].Pick(&r.call)
	if err != nil {
		panic(err)
	}
	t := &try{request: r, picked: picked, sent: s.now()}
	r.tries = append(r.tries, t)
	r.call.Tried = append(r.call.Tried, picked.Endpoint)
	sv := picked.Endpoint.Attached().(*server)
	if sv.fails {
		s.in(500*time.Microsecond, func() { s.end(t, false) })
		return
	}
	s.in(s.patient, func() { s.end(t, false) })
	sv.queue = append(sv.queue, t)
	s.work(sv)
}

// work lets idle workers begin.
func (s *simulation) work(sv *server) {
	for sv.busy < workers && len(sv.queue) > 0 {
		t := sv.queue[0]
		sv.queue = sv.queue[1:]
		if t.over && s.cancels {
			continue
		}
		sv.busy++
		mean, now := float64(sv.mean), s.now()
		if sv.slower != nil {
			mean *= sv.slower(now)
		}
		takes := s.exponential(mean)
		if sv.pause != nil {
			takes += sv.pause(now)
		}
		s.in(takes, func() {
			sv.busy--
			s.end(t, true)
			s.work(sv)
		})
	}
}

func (s *simulation) end(t *try, answered bool) {
	if t.over {
		return
	}
	t.over = true
	t.open--
	outcome := lb.Outcome{Deadline: s.patient}
	if !answered {
		outcome.Result = lb.Failure
	}
	t.picked.Done(outcome)
	switch {
	case answered:
		s.hedges[t.client].Observe(s.now() - t.since)
		s.cancel(t.request)
		s.count(t.request)
	case t.open > 0: // another one is under way
	case s.retry && len(t.tries) < 3 && (!s.budget || s.budgets[t.client].Spend()):
		s.send(t.request)
	default:
		if s.count(t.request) {
			s.errors = append(s.errors, s.now())
		}
	}
}

// cancel ends the tries that lost.
func (s *simulation) cancel(r *request) {
	for _, t := range r.tries {
		if !t.over {
			t.over = true
			r.open--
			t.picked.Done(lb.Outcome{Result: lb.Ignored})
		}
	}
}

// count counts a call that is over, unless it began before the time that counts.
func (s *simulation) count(r *request) bool {
	if r.since < s.warm {
		return false
	}
	s.latencies = append(s.latencies, s.now()-r.since)
	return true
}

// fleet makes n servers of 10 ms, changed by change.
func fleet(n int, change func(i int, s *server)) []*server {
	servers := make([]*server, n)
	for i := range servers {
		servers[i] = &server{mean: 10 * time.Millisecond}
		if change != nil {
			change(i, servers[i])
		}
	}
	return servers
}

// full is the rate that n servers of 10 ms can just bear.
func full(n float64) float64 { return n * workers * 100 }

func simulate(t *testing.T, name string, s simulation) (r report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { r = s.run(1) })
	t.Logf("%-28s %s", name, r)
	return r
}

func slowed(by float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return by }
}

func TestOneSeedGivesOneRun(t *testing.T) {
	run := func(seed uint64) (r report) {
		synctest.Test(t, func(*testing.T) {
			s := simulation{policy: lb.Routing{}, clients: 5, servers: fleet(5, func(i int, s *server) { s.fails = i == 0 }), rate: full(2), lasts: 2 * time.Second}
			r = s.run(seed)
		})
		return r
	}
	if a, b, c := run(1), run(1), run(2); a.trace != b.trace || a.trace == c.trace {
		t.Errorf("traces %x, %x and, of another seed, %x", a.trace, b.trace, c.trace)
	}
}

// Ten clients call ten servers. What is better about ours is asserted as a ratio
// to round robin in the same world.
func TestPeakEWMABeatsRoundRobin(t *testing.T) {
	type world struct {
		name      string
		load      float64 // of what ten equal servers bear
		change    func(i int, s *server)
		p99, p999 float64 // at most, relative to round robin
		errors    float64 // at most
		theirs    float64 // errors of round robin, at least
	}
	worlds := []world{
		// With many clients each knows only its own calls, and can do no
		// better than to take turns.
		{"equal servers", 0.7, nil, 1.1, 1.1, 0, 0},
		{"half of them at half speed", 0.525, func(i int, s *server) {
			if i%2 == 0 {
				s.slower = slowed(2)
			}
		}, 0.15, 0.2, 0, 0.05},
		{"0.4 of the speed in turn, for a quarter of the time", 0.5, func(i int, s *server) {
			s.slower = func(now time.Duration) float64 {
				if (int(now/time.Second)+i)%4 == 0 {
					return 2.5
				}
				return 1
			}
		}, 0.6, 0.7, 0, 0},
		{"one of ten at a tenth", 0.6, func(i int, s *server) {
			if i == 3 {
				s.slower = slowed(10)
			}
		}, 0.1, 0.15, 0, 0.05},
		{"one of ten fails at once", 0.5, func(i int, s *server) { s.fails = i == 3 }, 1.1, 1.1, 0.0002, 0.09},
		{"pauses of 100 ms, one every two seconds", 0.5, func(i int, s *server) {
			s.pause = func(now time.Duration) time.Duration {
				since := (now + time.Duration(i)*200*time.Millisecond) % (2 * time.Second)
				return max(100*time.Millisecond-since, 0)
			}
		}, 1.1, 1.1, 0, 0},
	}
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			in := func(name string, policy lb.Policy) report {
				return simulate(t, name, simulation{
					policy: policy, clients: 10, servers: fleet(10, w.change), rate: w.load * full(10),
					lasts: 20 * time.Second, warm: 2 * time.Second,
				})
			}
			theirs := in("round robin", lb.RoundRobin)
			in("least request", lb.LeastRequest)
			ours := in("peak EWMA", lb.PeakEWMA)
			if r := float64(ours.p99) / float64(theirs.p99); r > w.p99 {
				t.Errorf("p99: %.2f of round robin's, want at most %.2f", r, w.p99)
			}
			if r := float64(ours.p999) / float64(theirs.p999); r > w.p999 {
				t.Errorf("p99.9: %.2f of round robin's, want at most %.2f", r, w.p999)
			}
			if ours.errors > w.errors {
				t.Errorf("%.3f %% errors, want at most %.3f %%", 100*ours.errors, 100*w.errors)
			}
			if theirs.errors < w.theirs {
				t.Errorf("round robin has %.3f %% errors: the world is too kind", 100*theirs.errors)
			}
		})
	}
}

func TestLeastRequestBeatsRoundRobinWhereClientsAreFew(t *testing.T) {
	in := func(name string, policy lb.Policy) report {
		return simulate(t, name, simulation{
			policy: policy, clients: 1, servers: fleet(10, nil), rate: 0.7 * full(10), lasts: 10 * time.Second, warm: time.Second,
		})
	}
	theirs, ours := in("round robin", lb.RoundRobin), in("least request", lb.LeastRequest)
	if r := float64(ours.p99) / float64(theirs.p99); r > 0.98 {
		t.Errorf("p99: %.2f of round robin's", r)
	}
}

func TestRetriesHideACopyThatFailsAtOnce(t *testing.T) {
	r := simulate(t, "with retries", simulation{
		policy: lb.Routing{}, clients: 10, servers: fleet(10, func(i int, s *server) { s.fails = i == 3 }),
		rate: 0.5 * full(10), lasts: 10 * time.Second, retry: true, budget: true,
	})
	if r.errors > 0 {
		t.Errorf("%.3f %% errors, want none", 100*r.errors)
	}
}

func TestHedgingHidesPauses(t *testing.T) {
	in := func(name string, hedge bool) report {
		return simulate(t, name, simulation{
			policy: lb.PeakEWMA, clients: 10, rate: 0.4 * full(10), lasts: 20 * time.Second, warm: 3 * time.Second,
			hedge: hedge, cancels: true,
			servers: fleet(10, func(i int, s *server) {
				s.pause = func(now time.Duration) time.Duration { // one every ten seconds
					since := (now + time.Duration(i)*time.Second) % (10 * time.Second)
					return max(100*time.Millisecond-since, 0)
				}
			}),
		})
	}
	without, with := in("without", false), in("with hedging", true)
	if r := float64(with.p999) / float64(without.p999); r > 0.7 {
		t.Errorf("p99.9: %.2f of what it is without", r)
	}
	if with.sent > 1.06 {
		t.Errorf("sent %.3f times", with.sent)
	}
}

// For five seconds, the servers bear three quarters of what is asked of them.
// What remains wrong after that is the work of the retries.
func TestABudgetEndsARetryStorm(t *testing.T) {
	const dip, end = 5 * time.Second, 10 * time.Second
	in := func(name string, budget bool) report {
		return simulate(t, name, simulation{
			policy: lb.PeakEWMA, clients: 10, rate: 0.8 * full(10), lasts: 25 * time.Second, patient: 200 * time.Millisecond,
			retry: true, budget: budget, cancels: budget,
			servers: fleet(10, func(_ int, s *server) {
				s.slower = func(now time.Duration) float64 {
					if now >= dip && now < end {
						return 1 / 0.6
					}
					return 1
				}
			}),
		})
	}
	if r := in("three tries", false); r.errorTimes == nil || r.errorTimes[len(r.errorTimes)-1] < 24*time.Second {
		t.Error("without a budget the storm ended: the world is too kind")
	}
	if r := in("with a budget", true); r.errorTimes == nil || r.errorTimes[len(r.errorTimes)-1] > end+2*time.Second {
		t.Errorf("the last error is of %v, want one at most two seconds after the end", r.errorTimes[len(r.errorTimes)-1:])
	}
}
