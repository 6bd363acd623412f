package lb

import "github.com/adsum-go/adsum"

// Filter says which instances are called. The zero value lets all pass.
type Filter struct {
	// Tags that an instance must carry, all of them.
	Tags []string
	// Version that it must be of; any if empty.
	Version string
	// Metadata that it must have.
	Metadata map[string]string
}

// Matches reports whether the instance passes.
func (f Filter) Matches(in *adsum.Instance) bool {
	for _, tag := range f.Tags {
		if !in.HasTag(tag) {
			return false
		}
	}
	for key, value := range f.Metadata {
		if got, ok := in.Metadata[key]; !ok || got != value {
			return false
		}
	}
	return f.Version == "" || f.Version == in.Version
}

func (f Filter) all() bool { return len(f.Tags) == 0 && f.Version == "" && len(f.Metadata) == 0 }

func (f Filter) choose(endpoints []*Endpoint) []*Endpoint {
	var chosen []*Endpoint
	for _, ep := range endpoints {
		if f.Matches(ep.Instance()) {
			chosen = append(chosen, ep)
		}
	}
	return chosen
}
