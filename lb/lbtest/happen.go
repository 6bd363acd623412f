package lbtest

import (
	"slices"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// Stop ends a server at once: what it works on is lost, connections are
// refused, and clients that keep some notice.
func (r *Run) Stop(server int) {
	s := r.Servers[server]
	s.state, s.busy, s.queue = down, 0, nil
	s.life++
	// In an order that repeats.
	lost := make([]*try, 0, len(s.open))
	for t := range s.open {
		lost = append(lost, t)
	}
	slices.SortFunc(lost, func(a, b *try) int { return int(a.came - b.came) })
	for _, t := range lost {
		r.unless(t, hop, func() { r.fail(t, lb.IfIdempotent) })
	}
	r.in(hop, func() { r.connected(server, false) })
}

// Idle reports whether a server has nothing to do.
func (r *Run) Idle(server int) bool {
	s := r.Servers[server]
	return s.busy == 0 && len(s.queue) == 0
}

// Start brings a server back.
func (r *Run) Start(server int) {
	s := r.Servers[server]
	s.state = up
	r.in(hop, func() { r.connected(server, s.state == up) })
}

func (r *Run) connected(server int, can bool) {
	for _, c := range r.clients {
		if c, ok := c.(Connecter); ok {
			c.Connected(server, can)
		}
	}
}

// Freeze lets a server answer nothing any more, though its connections stay.
func (r *Run) Freeze(server int) { r.Servers[server].state = black }

// List lets the clients know whom the registry has, in so much time.
func (r *Run) List(after time.Duration, servers []int) {
	servers = slices.Clone(servers)
	r.in(after, func() {
		for _, c := range r.clients {
			if c, ok := c.(Lister); ok {
				c.List(servers)
			}
		}
	})
}

// After lets something happen in so much time.
func (r *Run) After(d time.Duration, do func()) { r.in(d, do) }
