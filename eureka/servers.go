package eureka

import (
	"cmp"
	"net/url"
	"slices"
	"sync"
	"time"
)

// homeAgain is for how long a server that failed is only asked when all
// others failed too. Then it is the first choice again where it was before.
const homeAgain = 30 * time.Second

// server is one Eureka server.
type server struct {
	base *url.URL      // without a user
	user *url.Userinfo // nil for the user of all servers
}

func (s *server) String() string { return s.base.String() }

// servers are all there are, the own zone's first. They replicate among each
// other, so one of them is written to and asked.
type servers struct {
	all []*server

	mu     sync.Mutex
	failed map[*server]time.Time // when they did; guarded by mu
}

// order lists all servers in the order in which to try them.
func (s *servers) order() []*server {
	s.mu.Lock()
	defer s.mu.Unlock()
	resting := func(a *server) int {
		if at, failed := s.failed[a]; failed && time.Since(at) < homeAgain {
			return 1
		}
		return 0
	}
	ordered := slices.Clone(s.all)
	slices.SortStableFunc(ordered, func(a, b *server) int { return cmp.Compare(resting(a), resting(b)) })
	return ordered
}

func (s *servers) note(which *server, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if failed {
		s.failed[which] = time.Now()
	} else {
		delete(s.failed, which)
	}
}
