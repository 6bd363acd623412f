package eureka

import "sync"

// memory tells whether the servers still have theirs. Eureka keeps everything
// in memory and has no number that would show a loss: a server that restarted
// lists whoever has registered again so far, as if that were all. But it then
// has no record that it had before. memory makes a sequence of that, for
// [adsum.Listing], which falls with every loss.
type memory struct {
	mu       sync.Mutex
	services map[string]*remembered // guarded by mu
}

// remembered is what all watches of one service have seen last.
type remembered struct {
	watches  int
	sequence uint64
	marks    map[string]mark // by id
	from     *server         // that listed them
	broken   bool            // since then an answer failed
}

// mark is by what a record is known to be the same as before: one of the two
// stays while its owner updates it, and while other servers are asked.
type mark struct {
	dirty   int64 // its owner's number of the version
	upSince int64 // the server's; 0 for one that was never up
}

func (m mark) survives(in mark) bool {
	return m.dirty == in.dirty || m.upSince != 0 && m.upSince == in.upSince
}

// firstSequence leaves room to fall.
const firstSequence = 1 << 32

// open begins a watch of a service.
func (m *memory) open(service string) *remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.services[service]
	if r == nil {
		r = &remembered{sequence: firstSequence}
		m.services[service] = r
	}
	r.watches++
	return r
}

// close ends a watch. What a watch that broke has seen is kept for the next.
func (m *memory) close(service string, broke bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.services[service]
	r.watches--
	r.broken = r.broken || broke
	if r.watches == 0 && !broke {
		delete(m.services, service)
	}
}

// listed notes an answer and returns its sequence.
func (m *memory) listed(r *remembered, from *server, now map[string]mark) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.lost(from, now) {
		r.sequence--
	}
	r.marks, r.from, r.broken = now, from, false
	return r.sequence
}

// lost reports whether the memory of the servers began anew since the last
// answer: nothing of what was known is the same. That all were replaced while
// the same server answered without a break is no loss.
func (r *remembered) lost(from *server, now map[string]mark) bool {
	if len(r.marks) == 0 {
		return false
	}
	forgotten := false
	for id, before := range r.marks {
		if after, ok := now[id]; ok {
			if before.survives(after) {
				return false
			}
			forgotten = forgotten || before.upSince != 0
		}
	}
	return forgotten || r.broken || from != r.from
}
