package lb

import "math"

// Stats are a [Balancer]'s numbers at one moment.
type Stats struct {
	// Service is "" before the first update.
	Service, Policy string
	// Endpoints are all that the newest snapshot names, and Callable those
	// of them whose status allows calls.
	Endpoints, Callable int
	// Reachable are the callable ones that the policy wants and the
	// transport can reach; where the transport does not say, all that the
	// policy wants.
	Reachable int
	// Eligible are the reachable ones that calls go to now: those that are
	// not ejected, or all in a panic.
	Eligible int
	// Ejected are away now because they failed, and Ejections counts how
	// often one went; see [Ejection].
	Ejected   int
	Ejections uint64
	// Panicking says that so many were ejected that all are called.
	Panicking bool
	// Limit is how many calls may be under way to the eligible ones together,
	// 0 for any number, and Full how many of them have as many as they may;
	// see [Limit]. Open is how many have an open circuit; see [Circuit].
	Limit, Full, Open int
}

// Stats returns what the balancer knows now. Calls are counted by the
// transport, in its [Client], so that a pick costs nothing for it.
func (b *Balancer) Stats() Stats {
	v := b.view.Load()
	s := Stats{Policy: v.policy.Name(), Reachable: len(v.callable), Eligible: len(v.endpoints), Panicking: b.Panicking()}
	if e, ok := v.picker.(ejecting); ok {
		s.Ejected, s.Ejections = e.ejected()
	}
	if v.guarded {
		s.countGuards(v.endpoints)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.snapshot != nil {
		s.Service = b.snapshot.Service
	}
	s.Endpoints, s.Callable = len(b.endpoints), b.count(callable)
	return s
}

// countGuards counts what limits the calls to the endpoints.
func (s *Stats) countGuards(endpoints []*Endpoint) {
	for _, ep := range endpoints {
		most, underWay := ep.Limit()
		s.Limit += most
		if most > 0 && underWay >= most {
			s.Full++
		}
		if ep.CircuitOpen() {
			s.Open++
		}
	}
}

// ejecting is a picker that ejects.
type ejecting interface {
	ejected() (now int, ever uint64)
}

func (p *routingPicker) ejected() (now int, ever uint64) {
	if p.ejector == nil {
		return 0, 0
	}
	p.ejector.mu.Lock()
	defer p.ejector.mu.Unlock()
	return p.ejector.away, p.ejector.ejections
}

// CallStats count the calls of one [Client], all tries of a call together.
type CallStats struct {
	// Calls counts those that ended, and InFlight is how many have not.
	Calls    uint64
	InFlight int64
	// Failures counts the calls that failed in the end and whose servers
	// were to blame, an HTTP status of 500 or more included, and NoEndpoint
	// those that ended with nobody to go to.
	Failures, NoEndpoint uint64
	// Picks counts how often a call was sent, first tries, further ones and
	// hedges.
	Picks uint64
	// Retries counts the further tries, and Hedges the calls that were sent
	// a second time while the first try was under way.
	Retries, Hedges uint64
	// HedgesWon counts the calls that were answered by such a second try, and
	// HedgesRefused those that the budget did not allow one.
	HedgesWon, HedgesRefused uint64
	// OverBudget counts the calls that failed because there was no budget
	// left to try them again.
	OverBudget uint64
	// Limited counts the calls that ended because no endpoint might be called;
	// see [ErrLimited].
	Limited uint64
}

// ClientStats are the numbers of one [Client] at one moment.
type ClientStats struct {
	// Transport is "grpc", "http", "https", "go-kit", or that of somebody else.
	Transport, Service string
	// Balancer is that of its connections; of several connections made with
	// the same options, the one made last.
	Balancer Stats
	Calls    CallStats
	// Budget is what calls may be sent again from; zero if there is none, or
	// the client does not know it.
	Budget BudgetStats
}

// BudgetStats are a [Budget]'s numbers at one moment.
type BudgetStats struct {
	// Calls and Retries are those of the last ten seconds, hedges among the
	// retries, and Allowed is how many retries these may be.
	Calls, Retries, Allowed int64
	// Spent counts how often a call was sent again, and Refused how often
	// it was not.
	Spent, Refused uint64
}

// Stats returns the numbers of everybody who shares the budget.
func (b *Budget) Stats() BudgetStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls, retries := b.lately()
	allowed := min(math.Ceil(b.allowed(calls)), 1<<53) // what is more fits no whole number
	return BudgetStats{Calls: calls, Retries: int64(retries), Allowed: int64(allowed), Spent: b.spent, Refused: b.refused}
}
