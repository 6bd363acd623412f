package adsumhttp

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/adsum-go/adsum/lb"
)

// WithObserver tells an observer of the services called and of every call, such
// as adsumotel's for metrics and traces. Without one that costs nothing.
func WithObserver(observer lb.ClientObserver) Option {
	return func(o *options) { o.observer = observer }
}

// Stats returns the numbers of every service that was called lately, sorted by
// name and scheme.
func (t *Transport) Stats() []lb.ClientStats {
	t.mu.Lock()
	clients := make([]*lb.Client, 0, len(t.services))
	for _, s := range t.services {
		clients = append(clients, s.client)
	}
	t.mu.Unlock()
	stats := make([]lb.ClientStats, 0, len(clients))
	for _, c := range clients {
		stats = append(stats, c.Stats())
	}
	slices.SortFunc(stats, func(a, b lb.ClientStats) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Transport, b.Transport))
	})
	return stats
}

// ended is what the answer or the error tells of a call.
func ended(req *http.Request, resp *http.Response, err error) lb.Ended {
	e := lb.Ended{Method: methodOf(req), Err: err}
	switch {
	case err != nil:
		e.Result = lb.ResultOf(req.Context(), err)
	default:
		e.Code = resp.StatusCode
		if resp.StatusCode >= 500 {
			e.Result = lb.Failure
		}
	}
	return e
}
