package lbtest

import (
	"time"

	"github.com/adsum-go/adsum/lb"
)

// hop is the time that it takes to fail at once: to be refused, to notice a
// connection that broke, to be told no.
const hop = 500 * time.Microsecond

// arrive begins a call, and sees to the next one.
func (r *Run) arrive() {
	if r.now >= r.Lasts {
		return
	}
	c := &request{client: int(r.random() % uint64(len(r.clients))), since: r.now}
	c.Idempotent = true
	if c.since >= r.Warm {
		r.calls++
	}
	r.budgets[c.client].Call()
	first := r.send(c)
	if delay, ok := r.hedges[c.client].Delay(); r.Hedge > 0 && ok {
		r.unless(first, delay, func() {
			if c.open == 1 && r.hedges[c.client].Spend() {
				r.send(c)
			}
		})
	}
	r.in(r.exponential(float64(time.Second)/r.Rate), r.arrive)
}

// send sends a call, once more maybe. It returns nil if there was nobody to
// send it to.
func (r *Run) send(c *request) *try {
	t := &try{request: c, came: r.now}
	c.open++
	c.tries = append(c.tries, t)
	number, done, err := r.clients[c.client].Pick(&c.Call)
	if err != nil {
		r.unless(t, hop, func() { r.fail(t, lb.Always) })
		return t
	}
	if c.since >= r.Warm {
		r.sent++
		r.report.Load[number]++
	}
	s := r.Servers[number]
	t.server, t.done = s, done
	r.unless(t, r.Patience, func() {
		t.timedOut = true
		r.fail(t, lb.IfIdempotent)
	})
	switch {
	case s.state == down:
		r.unless(t, hop, func() { r.fail(t, lb.Always) })
	case s.Fails:
		r.unless(t, hop, func() { r.fail(t, lb.IfIdempotent) })
	default:
		s.open[t] = true
		s.hear(r.now)
		s.queue = append(s.queue, t)
		r.work(s)
	}
	return t
}

// fail ends a try that got no answer.
func (r *Run) fail(t *try, safety lb.Safety) {
	r.end(t, Answer{Result: lb.Failure, TimedOut: t.timedOut, Deadline: r.Patience})
	c := t.request
	switch {
	case c.over || c.open > 0: // another one is under way
	case len(c.tries) < r.Tries && (safety == lb.Always || !r.Budget || r.budgets[c.client].Spend()):
		if wait := r.wait(len(c.tries), safety); wait > 0 {
			r.in(wait, func() { r.send(c) })
		} else {
			r.send(c)
		}
	default:
		c.over = true
		if c.since >= r.Warm {
			r.latencies = append(r.latencies, r.now-c.since)
			r.report.Failed = append(r.report.Failed, Failure{c.since, r.now})
		}
	}
}

// wait is what [lb.Retry] waits after n tries.
func (r *Run) wait(n int, safety lb.Safety) time.Duration {
	if r.Backoff == nil || n == 1 && safety == lb.Always {
		return 0
	}
	return r.Backoff.Delay(n, float64(r.random()>>11)/(1<<53))
}

// answer ends a try that was answered, and with it the call.
func (r *Run) answer(t *try, load *Load) {
	r.end(t, Answer{Result: lb.Success, Deadline: r.Patience, Load: load})
	c := t.request
	c.over = true
	r.hedges[c.client].Observe(r.now - c.since)
	for _, lost := range c.tries {
		if !lost.over {
			r.end(lost, Answer{Result: lb.Overtaken})
		}
	}
	if c.since >= r.Warm {
		r.latencies = append(r.latencies, r.now-c.since)
	}
}

func (r *Run) end(t *try, a Answer) {
	t.over = true
	t.open--
	if t.server == nil {
		return
	}
	delete(t.server.open, t)
	if t.done != nil {
		t.done(a)
	}
}

// work lets idle workers begin.
func (r *Run) work(s *Server) {
	for s.state == up && s.busy < workers && len(s.queue) > 0 {
		t := s.queue[0]
		s.queue = s.queue[1:]
		if t.over && r.Cancels {
			continue
		}
		s.pass(r.now)
		s.busy++
		life, takes := s.life, s.takes(r.now, r.draw)
		r.in(takes, func() {
			if s.life != life { // it was killed in between
				return
			}
			s.pass(r.now)
			s.serve(takes)
			s.busy--
			if s.state == up && !t.over {
				r.answer(t, s.load(r.now))
			}
			r.work(s)
		})
	}
}

// draw is how long a request takes that takes so long on average.
func (r *Run) draw(mean float64) time.Duration {
	if r.Even {
		return time.Duration(mean)
	}
	return r.exponential(mean)
}

// probe asks a server for its load.
func (r *Run) probe(server int, told func(Load)) {
	r.in(hop/2, func() {
		if s := r.Servers[server]; s.state == up {
			load := s.load(r.now)
			r.in(hop/2, func() { told(*load) })
		}
	})
}
