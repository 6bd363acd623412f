package lb

import (
	"fmt"
	"strings"
)

// Policies lists every policy of this package, for choosing one by its name.
func Policies() []Policy {
	return []Policy{
		RoundRobin, Random, Weighted, SmoothWeighted, LeastRequest, PeakEWMA, C3, Prequal,
		RingHash, Maglev, Rendezvous, BoundedLoad,
	}
}

// PolicyOf returns the policy of that name; the error lists the names.
func PolicyOf(name string) (Policy, error) {
	var names []string
	for _, p := range Policies() {
		if p.Name() == name {
			return p, nil
		}
		names = append(names, p.Name())
	}
	return nil, fmt.Errorf("no policy is called %q; there are %s", name, strings.Join(names, ", "))
}
