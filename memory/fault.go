package memory

import (
	"errors"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
)

// Down makes every call fail and breaks open watches, as a killed server
// does. Leases run out meanwhile.
func (s *Server) Down() { s.link.setDown(fmt.Errorf("%w: server is down", ErrUnavailable)) }

// Up ends Down.
func (s *Server) Up() { s.link.setDown(nil) }

// Freeze makes the server silent: calls hang until their context ends, and
// watches say nothing, as with SIGSTOP. Leases run out meanwhile.
func (s *Server) Freeze() { s.link.freeze() }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.link.thaw() }

// Slow delays every answer.
func (s *Server) Slow(d time.Duration) { s.link.setDelay(d) }

// Deny refuses every call with [adsum.ErrDenied] and breaks open watches, as
// a server does whose credentials were rotated.
func (s *Server) Deny() { s.link.setDown(fmt.Errorf("memory registry: %w", adsum.ErrDenied)) }

// Allow ends Deny.
func (s *Server) Allow() { s.link.setDown(nil) }

// Wipe forgets everything, the sequence included, and leaves open watches
// deaf, as an etcd whose data were removed does.
func (s *Server) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	s.overrides = map[string]map[string]adsum.Override{}
	s.broken = map[string]map[string]adsum.Skipped{}
	s.sequence = 0
}

func (s *Server) forget() {
	for _, records := range s.services {
		for _, rec := range records {
			rec.expiry.Stop()
		}
	}
	s.services = map[string]map[string]*record{}
	s.epoch++
	s.changed = make(chan struct{}) // whoever waits on the old one is deaf
}

// Backup is a copy of a server's records.
type Backup struct {
	services map[string]map[string]record
	sequence uint64
}

// Backup copies the records.
func (s *Server) Backup() *Backup {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &Backup{services: map[string]map[string]record{}, sequence: s.sequence}
	for service, records := range s.services {
		b.services[service] = map[string]record{}
		for id, rec := range records {
			b.services[service][id] = *rec
		}
	}
	return b
}

// Restore goes back to the copy: the sequence steps backwards, leases start
// anew, and open watches are deaf, as with an etcd restored from a snapshot.
func (s *Server) Restore(b *Backup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	for _, records := range b.services {
		for _, rec := range records {
			s.store(*rec.instance, rec.claim, rec.ttl)
		}
	}
	s.sequence = b.sequence
}

// BreakWatches ends every open watch with an error, as compaction does.
func (s *Server) BreakWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.breaks)
	s.breaks = make(chan struct{})
}

// ExpireLease ends the lease of a record now.
func (s *Server) ExpireLease(service, id string) error { return s.remove(service, id) }

// PutBroken stores an entry that no codec can read beside the instances.
func (s *Server) PutBroken(service, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken[service] == nil {
		s.broken[service] = map[string]adsum.Skipped{}
	}
	s.broken[service][key] = adsum.Skipped{Key: service + "/" + key, Err: errors.New("not an instance")}
	s.wrote()
}

// Records returns the ids published for a service with their owners.
func (s *Server) Records(service string) map[string]adsum.Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	claims := map[string]adsum.Claim{}
	for id, rec := range s.services[service] {
		claims[id] = rec.claim
	}
	return claims
}

// Watches counts the watches that are open.
func (s *Server) Watches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watches
}

// Writes counts all writes so far.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

func (s *Server) countWatch(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches += n
}

// Cut makes every call of this client fail and breaks its watches; its leases
// run out on the server. Other clients go on.
func (r *Registry) Cut() { r.link.setDown(fmt.Errorf("%w: connection cut", ErrUnavailable)) }

// Heal ends Cut.
func (r *Registry) Heal() { r.link.setDown(nil) }

// Freeze makes this client's connection a black hole: nothing fails, nothing
// arrives.
func (r *Registry) Freeze() { r.link.freeze() }

// Thaw ends Freeze.
func (r *Registry) Thaw() { r.link.thaw() }

// Slow delays every answer that this client gets.
func (r *Registry) Slow(d time.Duration) { r.link.setDelay(d) }
