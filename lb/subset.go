package lb

import (
	"cmp"
	"slices"
	"strings"
)

// Subset lets each client call a few of many endpoints, so that neither side
// has a connection to everyone, and each client has calls enough to learn from.
// They are those that score highest with the client's name (rendezvous
// hashing): when one of n endpoints comes or goes, only one of n connections
// changes. The zero value takes all.
type Subset struct {
	// Client names the caller among all callers of the service, such as its
	// instance's id. Clients of one name have one subset.
	Client string
	// Size is how many endpoints there are to be; all if zero.
	Size int
}

func (s Subset) choose(endpoints []*Endpoint) []*Endpoint {
	if s.Size <= 0 || s.Size >= len(endpoints) {
		return endpoints
	}
	type scored struct {
		ep    *Endpoint
		score uint64
	}
	client, ranks := hash(s.Client), make([]scored, len(endpoints))
	for i, ep := range endpoints {
		ranks[i] = scored{ep, mix(client ^ hash(ep.id))}
	}
	slices.SortFunc(ranks, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	chosen := make([]*Endpoint, s.Size)
	for i := range chosen {
		chosen[i] = ranks[i].ep
	}
	slices.SortFunc(chosen, func(a, b *Endpoint) int { return strings.Compare(a.id, b.id) })
	return chosen
}
