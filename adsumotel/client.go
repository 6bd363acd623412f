package adsumotel

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/adsum-go/adsum/lb"
)

var clientInstruments = []instrument[lb.ClientStats]{
	{"adsum.client.calls", "{call}", counter, "Calls that ended, each with all its tries.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.Calls) })},
	{"adsum.client.in_flight", "{call}", gauge, "Calls that have not ended.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.InFlight) })},
	{"adsum.client.failures", "{call}", counter, "Calls that failed in the end, and whose servers were to blame.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.Failures) })},
	{"adsum.client.no_endpoint", "{call}", counter, "Calls that ended with nobody to go to.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.NoEndpoint) })},
	{"adsum.client.picks", "{pick}", counter, "How often an endpoint was picked and called.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.Picks) })},
	{"adsum.client.retries", "{retry}", counter, "Tries after the first.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.Retries) })},
	{"adsum.client.over_budget", "{call}", counter, "Calls that failed because the budget for retries was spent.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.OverBudget) })},
	{"adsum.client.hedges", "{call}", counter, "Calls that were sent a second time while the first try was under way.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.Hedges) })},
	{"adsum.client.hedges_won", "{call}", counter, "Calls that were answered by a second try which was sent while the first was under way.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.HedgesWon) })},
	{"adsum.client.hedges_refused", "{call}", counter, "Calls that the budget did not allow a second try while the first was under way.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.HedgesRefused) })},
	{"adsum.client.budget_usage", "1", gauge, "How much of what may be sent again is used up: 1 is all. Of several clients, that which used up most.", readBudget},
	{"adsum.client.limited", "{call}", counter, "Calls that ended because every endpoint had as many calls as it may, or an open circuit.",
		one(func(s lb.ClientStats) float64 { return float64(s.Calls.Limited) })},
	{"adsum.client.limit", "{call}", gauge, "How many calls may be under way to all eligible endpoints together, where that is limited.", readLimit},
	{"adsum.client.full", "{endpoint}", gauge, "Endpoints that have as many calls under way as they may.",
		one(func(s lb.ClientStats) float64 { return float64(s.Balancer.Full) })},
	{"adsum.client.circuit_open", "{endpoint}", gauge, "Endpoints whose circuit is open.",
		one(func(s lb.ClientStats) float64 { return float64(s.Balancer.Open) })},
	{"adsum.client.endpoints", "{endpoint}", gauge, "Endpoints by how far they can be called: all that are registered, of these those that are callable by their status, reachable, and eligible, which excludes the ejected.", readEndpoints},
	{"adsum.client.ejected", "{endpoint}", gauge, "Endpoints that are left alone now because they failed.",
		one(func(s lb.ClientStats) float64 { return float64(s.Balancer.Ejected) })},
	{"adsum.client.ejections", "{ejection}", counter, "How often an endpoint was ejected.",
		one(func(s lb.ClientStats) float64 { return float64(s.Balancer.Ejections) })},
	{"adsum.client.panicking", "{client}", gauge, "Clients for which so many endpoints are ejected that all are called.",
		one(func(s lb.ClientStats) float64 { return truth(s.Balancer.Panicking) })},
}

// readBudget says nothing where there is no budget.
func readBudget(s lb.ClientStats, report func(float64, ...attribute.KeyValue)) {
	if s.Budget.Allowed > 0 {
		report(usage(s.Budget))
	}
}

// usage is how much of a budget is used up; none of one that allows nothing.
func usage(b lb.BudgetStats) float64 {
	return float64(b.Retries) / float64(max(b.Allowed, 1))
}

// readLimit says nothing where there is no limit.
func readLimit(s lb.ClientStats, report func(float64, ...attribute.KeyValue)) {
	if s.Balancer.Limit > 0 {
		report(float64(s.Balancer.Limit))
	}
}

func readEndpoints(s lb.ClientStats, report func(float64, ...attribute.KeyValue)) {
	report(float64(s.Balancer.Endpoints), attrState.String("registered"))
	report(float64(s.Balancer.Callable), attrState.String("callable"))
	report(float64(s.Balancer.Reachable), attrState.String("reachable"))
	report(float64(s.Balancer.Eligible), attrState.String("eligible"))
}

// clientKey is what clients are told apart by.
type clientKey struct{ service, transport string }

// ClientOpened takes in a client until it is closed. What it counted stays in the
// totals: a counter must not fall because one of several clients is gone.
func (t *Telemetry) ClientOpened(c *lb.Client) (closed func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// One that was open before counts on from where it was.
	t.retire(c, func(total, n uint64) uint64 { return total - n })
	forget := t.Clients.ClientOpened(c)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		forget()
		t.retire(c, func(total, n uint64) uint64 { return total + n })
	}
}

// retire puts what a client counted into the totals of those that are gone. The
// caller holds mu.
func (t *Telemetry) retire(c *lb.Client, into func(total, n uint64) uint64) {
	s := c.Stats()
	key := clientKey{s.Service, s.Transport}
	total := t.retired[key]
	total.Calls.Calls = into(total.Calls.Calls, s.Calls.Calls)
	total.Calls.Failures = into(total.Calls.Failures, s.Calls.Failures)
	total.Calls.NoEndpoint = into(total.Calls.NoEndpoint, s.Calls.NoEndpoint)
	total.Calls.Picks = into(total.Calls.Picks, s.Calls.Picks)
	total.Calls.Retries = into(total.Calls.Retries, s.Calls.Retries)
	total.Calls.Hedges = into(total.Calls.Hedges, s.Calls.Hedges)
	total.Calls.HedgesWon = into(total.Calls.HedgesWon, s.Calls.HedgesWon)
	total.Calls.HedgesRefused = into(total.Calls.HedgesRefused, s.Calls.HedgesRefused)
	total.Calls.OverBudget = into(total.Calls.OverBudget, s.Calls.OverBudget)
	total.Calls.Limited = into(total.Calls.Limited, s.Calls.Limited)
	total.Balancer.Ejections = into(total.Balancer.Ejections, s.Balancer.Ejections)
	t.retired[key] = total
}

// clientStats sums up the clients of each service and transport.
func (t *Telemetry) clientStats() map[clientKey]lb.ClientStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[clientKey]lb.ClientStats, len(t.retired))
	for key, s := range t.retired {
		all[key] = s
	}
	for _, s := range t.Stats() {
		key := clientKey{s.Service, s.Transport}
		all[key] = plus(all[key], s)
	}
	return all
}

// plus adds up what two clients of a service counted.
func plus(a, b lb.ClientStats) lb.ClientStats {
	a.Calls.Calls += b.Calls.Calls
	a.Calls.InFlight += b.Calls.InFlight
	a.Calls.Failures += b.Calls.Failures
	a.Calls.NoEndpoint += b.Calls.NoEndpoint
	a.Calls.Picks += b.Calls.Picks
	a.Calls.Retries += b.Calls.Retries
	a.Calls.Hedges += b.Calls.Hedges
	a.Calls.HedgesWon += b.Calls.HedgesWon
	a.Calls.HedgesRefused += b.Calls.HedgesRefused
	a.Calls.OverBudget += b.Calls.OverBudget
	a.Calls.Limited += b.Calls.Limited
	a.Balancer.Endpoints += b.Balancer.Endpoints
	a.Balancer.Callable += b.Balancer.Callable
	a.Balancer.Reachable += b.Balancer.Reachable
	a.Balancer.Eligible += b.Balancer.Eligible
	a.Balancer.Ejected += b.Balancer.Ejected
	a.Balancer.Ejections += b.Balancer.Ejections
	a.Balancer.Limit += b.Balancer.Limit
	a.Balancer.Full += b.Balancer.Full
	a.Balancer.Open += b.Balancer.Open
	// One budget may be that of several clients: it must not be added up.
	if a.Budget.Allowed == 0 || usage(b.Budget) > usage(a.Budget) {
		a.Budget = b.Budget
	}
	a.Balancer.Panicking = a.Balancer.Panicking || b.Balancer.Panicking
	return a
}
