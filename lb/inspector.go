package lb

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Inspector is where a program looks at its balancers. It is given to clients
// ([Options.Inspector], and an option of each transport), whose balancers are
// in it from then on until they are closed. Package debug serves it over HTTP.
//
// The zero value is ready for use. An Inspector must not be copied after that.
// Its methods are safe for concurrent use.
type Inspector struct {
	// Picks is how many of its last picks each balancer keeps; 32 if zero,
	// none if negative. While there are more than a hundred a second, a
	// hundred of them are looked at. Set it before the first use.
	Picks int

	mu        sync.Mutex
	balancers map[*Balancer]struct{}
}

const recentPicks = 32

func (i *Inspector) recorder() *recorder {
	switch {
	case i.Picks < 0:
		return nil
	case i.Picks == 0:
		return &recorder{size: recentPicks}
	default:
		return &recorder{size: i.Picks}
	}
}

func (i *Inspector) add(b *Balancer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.balancers == nil {
		i.balancers = map[*Balancer]struct{}{}
	}
	i.balancers[b] = struct{}{}
}

func (i *Inspector) remove(b *Balancer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.balancers, b)
}

// Balancers returns those that are open, sorted by service and transport.
func (i *Inspector) Balancers() []*Balancer {
	i.mu.Lock()
	open := make([]*Balancer, 0, len(i.balancers))
	for b := range i.balancers {
		open = append(open, b)
	}
	i.mu.Unlock()
	slices.SortFunc(open, func(a, b *Balancer) int {
		return cmp.Or(cmp.Compare(a.Service(), b.Service()), cmp.Compare(a.opts.Transport, b.opts.Transport),
			a.made.Compare(b.made))
	})
	return open
}

// Inspection is what a balancer knows and does at one moment. Its form in JSON
// is a contract: later versions only add keys.
type Inspection struct {
	Service string `json:"service"`
	// Transport is who calls: "grpc", "http", "https", "go-kit".
	Transport string `json:"transport"`
	Policy    string `json:"policy"`
	// Panicking says that ejection is ignored; see [Ejection].
	Panicking bool `json:"panicking"`
	// Generation is the snapshot's, 0 while nothing is known of the service.
	// AgeSeconds is how long ago the registry last confirmed it; when it no
	// longer does, Stale is set, and Error may say why. FromDisk tells that
	// the registry has not answered since the program started.
	Generation uint64     `json:"generation"`
	ChangedAt  *time.Time `json:"changed_at"`
	AgeSeconds float64    `json:"age_seconds"`
	Stale      bool       `json:"stale"`
	StaleSince *time.Time `json:"stale_since"`
	FromDisk   bool       `json:"from_disk"`
	Error      string     `json:"error"`
	// Skipped is how many records of the registry nobody could read.
	Skipped int `json:"skipped"`
	// Endpoints are all that the snapshot names, sorted by id. Reason says
	// why no call can go to one now, whatever the call.
	Endpoints []Candidate `json:"endpoints"`
	// Recent are the last picks, the newest first.
	Recent []Explanation `json:"recent"`
}

// Service is the name of the service, "" before the first update.
func (b *Balancer) Service() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.snapshot == nil {
		return ""
	}
	return b.snapshot.Service
}

// Inspect returns what the balancer knows now. Like [Balancer.Explain], it is
// not for every call.
func (b *Balancer) Inspect() Inspection {
	v, f := b.current()
	b.mu.Lock()
	s := b.snapshot
	b.mu.Unlock()
	i := Inspection{
		Transport: b.opts.Transport, Policy: v.policy.Name(), Panicking: v.panicking(),
		Endpoints: make([]Candidate, len(f.endpoints)), Recent: b.Recent(),
	}
	if s != nil {
		i.Service, i.Generation, i.FromDisk, i.Skipped = s.Service, s.Generation, s.FromDisk, len(s.Skipped)
		i.ChangedAt, i.Stale, i.StaleSince = instant(s.ChangedAt), s.Stale(), instant(s.StaleSince)
		if !s.SyncedAt.IsZero() {
			i.AgeSeconds = s.Age().Seconds()
		}
		if s.Err != nil {
			i.Error = s.Err.Error()
		}
	}
	why := b.whyNot(v, f, &Trace{}, nil, nil)
	for n, ep := range f.endpoints {
		i.Endpoints[n] = b.candidate(v, ep, why(n))
	}
	return i
}

// instant is nil for no time at all.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
