package lb

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// Clients is a [ClientObserver] that knows which clients a program has, for
// their numbers, and does nothing about calls. The zero value is ready for use. A
// Clients must not be copied after that. Its methods are safe for concurrent use.
type Clients struct {
	mu   sync.Mutex
	open []*Client
}

// ClientOpened takes the client in until it is closed.
func (c *Clients) ClientOpened(client *Client) (closed func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, client)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if i := slices.Index(c.open, client); i >= 0 {
			c.open = slices.Delete(c.open, i, i+1)
		}
	}
}

// CallEnded does nothing.
func (c *Clients) CallEnded(context.Context, Ended) {}

// Stats returns the numbers of the clients that are open, sorted by service and
// transport.
func (c *Clients) Stats() []ClientStats {
	c.mu.Lock()
	open := slices.Clone(c.open)
	c.mu.Unlock()
	stats := make([]ClientStats, 0, len(open))
	for _, client := range open {
		stats = append(stats, client.Stats())
	}
	slices.SortStableFunc(stats, func(a, b ClientStats) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Transport, b.Transport))
	})
	return stats
}
