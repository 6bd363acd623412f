package zookeeper

import (
	"math/rand/v2"
	"net"
	"strings"
	"sync"
)

// hosts is the list of servers of one session. The client library's own
// resolves names once and for ever, and fails where that fails; here a name is
// resolved by whoever dials it.
type hosts struct {
	mu     sync.Mutex
	list   []string
	next   int  // to be tried; guarded by mu
	tried  int  // since a connection came about; guarded by mu
	closed bool // guarded by mu
}

// newHosts begins at any of them, so that clients spread.
func newHosts(list []string) *hosts { return &hosts{list: list, next: rand.IntN(len(list))} }

// Init implements zk.HostProvider.
func (h *hosts) Init([]string) error { return nil }

// Len implements zk.HostProvider.
func (h *hosts) Len() int { return len(h.list) }

// Next implements zk.HostProvider. The library pauses for a second when all
// were tried, and only then looks whether it was closed.
func (h *hosts) Next() (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	host := h.list[h.next]
	h.next = (h.next + 1) % len(h.list)
	pause := h.closed || h.tried > 0 && h.tried%len(h.list) == 0
	h.tried++
	return host, pause
}

// Connected implements zk.HostProvider.
func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}

func (h *hosts) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

const defaultPort = "2181"

// withPorts adds the usual port where there is none.
func withPorts(list []string) []string {
	if len(list) == 0 {
		return []string{"127.0.0.1:" + defaultPort}
	}
	with := make([]string, len(list))
	for i, host := range list {
		with[i] = host
		if _, _, err := net.SplitHostPort(host); err != nil {
			with[i] = net.JoinHostPort(strings.Trim(host, "[]"), defaultPort)
		}
	}
	return with
}
