package lb

import (
	"fmt"

	"github.com/adsum-go/adsum"
)

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
func (f Filter) Matches(in *adsum.Instance) bool { return f.lack(in) == "" }

// lack says what the instance has not, "" if it passes. Values of metadata are
// not shown, as they may be anything.
func (f Filter) lack(in *adsum.Instance) string {
	for _, tag := range f.Tags {
		if !in.HasTag(tag) {
			return fmt.Sprintf("no tag %q", tag)
		}
	}
	for key, value := range f.Metadata {
		if got, ok := in.Metadata[key]; !ok || got != value {
			return fmt.Sprintf("other metadata %q", key)
		}
	}
	if f.Version != "" && f.Version != in.Version {
		return fmt.Sprintf("version %q, not %q", in.Version, f.Version)
	}
	return ""
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
