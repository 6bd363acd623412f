package memory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// ErrUnavailable is what calls fail with while the server is down or the
// client's connection is cut.
var ErrUnavailable = errors.New("memory registry is not reachable")

// Server holds the records. All methods are safe for concurrent use.
type Server struct {
	link link // faults that all clients feel

	mu        sync.Mutex
	sequence  uint64 // rises with every write, as etcd's revision does
	services  map[string]map[string]*record
	overrides map[string]map[string]adsum.Override
	broken    map[string]map[string]adsum.Skipped
	changed   chan struct{} // closed and replaced with every write
	epoch     int           // rises when the server loses its memory
	breaks    chan struct{} // closed and replaced to break open watches
	writes    int
	watches   int
}

// record is one published instance. It is replaced, never modified.
type record struct {
	instance *adsum.Instance
	claim    adsum.Claim
	ttl      time.Duration
	expiry   *time.Timer
}

// NewServer makes an empty server.
func NewServer() *Server {
	return &Server{
		services:  map[string]map[string]*record{},
		overrides: map[string]map[string]adsum.Override{},
		broken:    map[string]map[string]adsum.Skipped{},
		changed:   make(chan struct{}),
		breaks:    make(chan struct{}),
	}
}

// Client returns a new client of the server.
func (s *Server) Client() *Registry {
	return &Registry{server: s, closed: make(chan struct{})}
}

// put stores a record if the claim may, and returns the claim as assigned.
func (s *Server) put(in adsum.Instance, claim adsum.Claim, ttl time.Duration) (adsum.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.services[in.Service][in.ID]
	if claim.Incarnation != 0 && old != nil && old.claim.Owner != claim.Owner && old.claim.YoungerThan(claim, s.sequence) {
		return claim, adsum.ErrSuperseded
	}
	if old != nil {
		old.expiry.Stop()
	}
	if claim.Incarnation == 0 {
		claim.Incarnation = s.sequence + 1
	}
	s.store(in, claim, ttl)
	return claim, nil
}

// store writes a record. The caller holds mu.
func (s *Server) store(in adsum.Instance, claim adsum.Claim, ttl time.Duration) {
	in = in.Clone()
	rec := &record{instance: &in, claim: claim, ttl: ttl}
	rec.expiry = time.AfterFunc(ttl, func() { s.expire(in.Service, in.ID, rec) })
	if s.services[in.Service] == nil {
		s.services[in.Service] = map[string]*record{}
	}
	s.services[in.Service][in.ID] = rec
	s.wrote()
}

// update replaces the record if it is still the owner's.
func (s *Server) update(in adsum.Instance, claim adsum.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.owned(in.Service, in.ID, claim)
	if err != nil {
		return err
	}
	old.expiry.Stop()
	s.store(in, claim, old.ttl)
	return nil
}

// renew keeps the record alive for another TTL. A record that says something
// else than its owner published is from before a restore, and as good as lost.
func (s *Server) renew(published *adsum.Instance, claim adsum.Claim) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec, err := s.owned(published.Service, published.ID, claim)
	if err != nil {
		return err
	}
	if !rec.instance.Equal(published) {
		return fmt.Errorf("%w: the record is not what was published", adsum.ErrLeaseLost)
	}
	rec.expiry.Reset(rec.ttl)
	return nil
}

// withdraw removes the record if it is still the owner's.
func (s *Server) withdraw(service, id string, claim adsum.Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.owned(service, id, claim); err == nil {
		s.drop(service, id)
	}
}

func (s *Server) owned(service, id string, claim adsum.Claim) (*record, error) {
	rec := s.services[service][id]
	switch {
	case rec == nil:
		return nil, adsum.ErrLeaseLost
	case rec.claim.Owner != claim.Owner && rec.claim.YoungerThan(claim, s.sequence):
		return nil, adsum.ErrSuperseded
	case rec.claim.Owner != claim.Owner:
		// An older owner came back while our record had run out. Claiming
		// again takes it over.
		return nil, adsum.ErrLeaseLost
	}
	return rec, nil
}

func (s *Server) expire(service, id string, rec *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.services[service][id] == rec {
		s.drop(service, id)
	}
}

// drop removes a record. The caller holds mu.
func (s *Server) drop(service, id string) {
	s.services[service][id].expiry.Stop()
	delete(s.services[service], id)
	if len(s.services[service]) == 0 {
		delete(s.services, service)
	}
	s.wrote()
}

// wrote counts a write and wakes the watches. The caller holds mu.
func (s *Server) wrote() {
	s.sequence++
	s.writes++
	close(s.changed)
	s.changed = make(chan struct{})
}

// remove deletes whatever record is there.
func (s *Server) remove(service, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.services[service][id] == nil {
		return adsum.ErrNotFound
	}
	s.drop(service, id)
	return nil
}

func (s *Server) override(service, id string, o adsum.Override) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overrides[service] == nil {
		s.overrides[service] = map[string]adsum.Override{}
	}
	if o == (adsum.Override{}) {
		delete(s.overrides[service], id)
	} else {
		s.overrides[service][id] = o
	}
	if rec := s.services[service][id]; rec != nil {
		in := *rec.instance
		rec.instance = &in // another pointer: what is shown of it changed
	}
	s.wrote()
}

func (s *Server) overridesOf(service string) map[string]adsum.Override {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.overrides[service])
}

// view is one consistent look at the server.
type view struct {
	epoch   int
	changed <-chan struct{}
	breaks  <-chan struct{}
}

// list returns the records of a service, sorted by id. shown remembers what
// was handed out for a record, so that an unchanged one is the same pointer.
func (s *Server) list(service string, shown map[*adsum.Instance]*adsum.Instance) (adsum.Listing, view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l adsum.Listing
	next := make(map[*adsum.Instance]*adsum.Instance, len(s.services[service]))
	for id, rec := range s.services[service] {
		in := shown[rec.instance]
		if in == nil {
			applied := s.overrides[service][id].Apply(*rec.instance).WithDefaults()
			in = &applied
		}
		next[rec.instance] = in
		l.Instances = append(l.Instances, in)
	}
	clear(shown)
	maps.Copy(shown, next)
	slices.SortFunc(l.Instances, func(a, b *adsum.Instance) int { return strings.Compare(a.ID, b.ID) })
	l.Sequence = s.sequence
	for _, key := range slices.Sorted(maps.Keys(s.broken[service])) {
		l.Skipped = append(l.Skipped, s.broken[service][key])
	}
	return l, s.look()
}

func (s *Server) names() ([]string, view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.services)), s.look()
}

func (s *Server) look() view { return view{s.epoch, s.changed, s.breaks} }
