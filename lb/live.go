package lb

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Live is a [Config] that running clients follow: one for as many clients, of
// whatever transport, as are to be configured alike (WithConfig of each). A
// change reaches their next calls. What they learned stays, and so do their
// connections.
//
// All methods are safe for concurrent use.
type Live struct {
	client  string // names it to its services, where the config does not
	mu      sync.Mutex
	current atomic.Pointer[issue]
}

// issue is one version of a config.
type issue struct {
	version uint64
	config  Config
	routing Routing
	changed chan struct{} // closed when there is another
}

// NewLive begins with c. It fails as [Config.Validate] does.
func NewLive(c Config) (*Live, error) {
	l := &Live{client: fmt.Sprintf("%016x", rand.Uint64())}
	if err := l.Set(c); err != nil {
		return nil, err
	}
	return l, nil
}

// Set replaces the config. It fails as [Config.Validate] does, and then changes
// nothing. It does not wait until the clients have followed.
func (l *Live) Set(c Config) error {
	routing, err := c.Routing()
	if err != nil {
		return err
	}
	if routing.Subset.Client == "" {
		routing.Subset.Client = l.client
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before, version := l.current.Load(), uint64(1)
	if before != nil {
		version = before.version + 1
	}
	l.current.Store(&issue{version, c, routing, make(chan struct{})})
	if before != nil {
		close(before.changed)
	}
	return nil
}

// Config returns the one that holds now. It must not be modified.
func (l *Live) Config() Config { return l.current.Load().config }

// Changed returns a channel that is closed when the config of now is replaced.
// Whoever follows it takes the channel first, and looks at the config then.
func (l *Live) Changed() <-chan struct{} { return l.current.Load().changed }

// Policy returns the one that the config describes.
func (l *Live) Policy() Policy { return l.current.Load().routing }

// Version counts the configs that there were, from 1.
func (l *Live) Version() uint64 { return l.current.Load().version }

// Tuning is what one client has of a [Live] config: its own budget and its own
// hedge, which live on when the config changes. It is for those who write
// transports. Its methods are safe for concurrent use; while nothing changes,
// they take no lock.
type Tuning struct {
	live    *Live
	budget  Budget
	mu      sync.Mutex
	current atomic.Pointer[tuned]
}

// tuned is what a client made of one issue.
type tuned struct {
	issue *issue
	retry Retry
	hedge *Hedge
}

// Tuning returns what a new client follows the config by.
func (l *Live) Tuning() *Tuning {
	t := &Tuning{live: l}
	t.now()
	return t
}

// Policy is [Live.Policy].
func (t *Tuning) Policy() Policy { return t.live.Policy() }

// Changed is [Live.Changed].
func (t *Tuning) Changed() <-chan struct{} { return t.live.Changed() }

// Version is [Live.Version].
func (t *Tuning) Version() uint64 { return t.live.Version() }

// Retry is how calls are tried again now. Its budget is always the same.
func (t *Tuning) Retry() Retry { return t.now().retry }

// Hedge is how calls are sent twice now, nil if they are not. It is another one,
// which learns anew, only when the quantile has changed, or it was off.
func (t *Tuning) Hedge() *Hedge { return t.now().hedge }

// now follows the config.
func (t *Tuning) now() *tuned {
	current := t.current.Load()
	if latest := t.live.current.Load(); current != nil && current.issue == latest {
		return current
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	latest, before := t.live.current.Load(), t.current.Load()
	if before != nil && before.issue == latest {
		return before
	}
	next := t.tune(latest, before)
	t.current.Store(next)
	return next
}

// tune makes of an issue what the client works with. before may be nil.
func (t *Tuning) tune(latest *issue, before *tuned) *tuned {
	c := latest.config
	t.budget.set(c.Retry.Budget)
	next := &tuned{issue: latest, retry: Retry{
		Max: c.Retry.Max, Timeout: c.Retry.Timeout, PerTry: c.Retry.PerTry, Backoff: c.Retry.Backoff, Budget: &t.budget,
	}}
	if c.Hedge == nil {
		return next
	}
	if before != nil && before.hedge != nil && before.hedge.Quantile == c.Hedge.Quantile {
		next.hedge = before.hedge
	} else {
		next.hedge = &Hedge{Quantile: c.Hedge.Quantile}
	}
	return next
}

// set changes what the budget allows, and keeps what it counted.
func (b *Budget) set(c BudgetConfig) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Ratio, b.PerSecond = c.Ratio, c.PerSecond
}
