package zookeeper

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"
)

// errLapsed is why leases end while their session may go on.
var errLapsed = errors.New("no server was heard for as long as the session lasts")

// supervise draws the conclusions that the ensemble does not tell:
//
//   - Nothing was heard for as long as the session lasts: it has expired, if
//     the ensemble is there, and its leases are lost. The session itself goes
//     on to look for a server: one that was away too has kept it.
//   - Servers close its connections, but take another session: they were wiped
//     or restored, and turn away who has seen the future. It is over.
func (s *session) supervise() {
	for s.ctx.Err() == nil {
		s.logIn()
		wait := s.verdict()
		timer := time.NewTimer(wait)
		select {
		case <-s.ctx.Done():
		case <-s.poke:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// logIn adds the credentials once there is a session. A failure shows as the
// reason why nobody can use it, and is tried again.
func (s *session) logIn() {
	s.mu.Lock()
	due := s.begun && !s.login.isReady()
	s.mu.Unlock()
	if !due {
		return
	}
	if err := s.login.add(s.ctx, s); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.why, s.failedAt = err, time.Now()
		s.failures += len(s.r.hosts)
		s.announce()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn.State() == zk.StateHasSession {
		s.setUp()
	}
}

// manyRefusals is after how many connections closed by a server another
// session is tried. A server that just starts closes some.
const manyRefusals = 3

// verdict ends what is to end, and returns when to look again.
func (s *session) verdict() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up || !s.begun {
		return time.Second
	}
	if s.refusals >= manyRefusals*len(s.r.hosts) {
		s.refusals = 0
		s.r.spawn(s.probe)
	}
	left := time.Until(s.heardAt.Add(s.timeout))
	if left > 0 {
		return left
	}
	s.endTerm(fmt.Errorf("%w, %v", errLapsed, s.timeout))
	return time.Second
}

// probe ends the session if another one is taken and this one is not.
func (s *session) probe() {
	other := newSession(s.r, s.asked)
	defer other.end(errors.New("the probe is over"))
	if other.await(s.ctx) != nil {
		return
	}
	// The library tries again every second; it may have been only a matter
	// of time.
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	for {
		s.mu.Lock()
		up, refusals, changed := s.up, s.refusals, s.changed
		s.mu.Unlock()
		switch {
		case up:
			return
		case refusals >= len(s.r.hosts):
			s.end(fmt.Errorf("%w: the servers turn it away and take another: they lost their memory", errOver))
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// shut closes the session for good, and returns when nothing of it is left
// running. A server that is reached deletes its nodes at once.
func (s *session) shut(events <-chan zk.Event) {
	s.hosts.close()
	s.conn.Close() // waits a second at most
	s.mu.Lock()
	w := s.wire
	if s.up {
		s.up = false
		close(s.down)
	}
	s.announce()
	s.mu.Unlock()
	if w != nil {
		_ = w.Close() // the library may have closed it already
	}
	for range events { // until the library's loop ends
	}
}
