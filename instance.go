package adsum

import (
	"encoding/json"
	"maps"
	"slices"
)

// DefaultWeight is the weight of an instance that names none. It is the
// value Consul and Envoy assume, so that old and new copies of one service
// share the traffic evenly while a fleet moves over.
const DefaultWeight = 1

// Instance is one running copy of a service.
//
// The zero value of every field but Service and Addr is usable. Instances
// that come out of a [Directory] are shared and must not be modified; use
// [Instance.Clone] first.
type Instance struct {
	// ID tells the copies of one service apart. It defaults to Addr.
	ID string `json:"id"`
	// Service is the name that callers ask for; see [ValidateService].
	Service string `json:"service"`
	// Addr is where callers reach this copy: host:port, IPv6 in brackets.
	Addr string `json:"addr"`
	// Endpoints holds further addresses by protocol ("grpc", "grpcs",
	// "http", "https"), for a copy that speaks them on ports of their own.
	Endpoints map[string]string `json:"endpoints,omitempty"`
	// Weight is this copy's share of the traffic relative to its siblings,
	// from 1 to 65535; 0 means [DefaultWeight].
	Weight int `json:"weight"`
	// Zone is the failure domain the copy runs in, "" if unknown.
	Zone string `json:"zone"`
	// Version is the version of the program, "" if unknown.
	Version string `json:"version"`
	// Tags are labels that callers may select by.
	Tags []string `json:"tags,omitempty"`
	// Metadata is free text for the program's own use.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Status is the effective health: what routing goes by.
	// The zero value counts as [Passing].
	Status Status `json:"status"`
	// Reason says in a few words why Status is what it is.
	Reason string `json:"reason,omitempty"`
	// Reported is what the instance says of its own health, set only while
	// an [Override] by an operator makes Status differ from it.
	Reported Status `json:"reported,omitempty"`
}

// Status is the health of an instance.
type Status string

// The states of an instance, best first.
const (
	// Passing: all checks are well.
	Passing Status = "passing"
	// Warning: something is amiss, but calls are welcome.
	Warning Status = "warning"
	// Starting: no check has passed yet.
	Starting Status = "starting"
	// Draining: healthy, about to leave; finish what runs, send nothing new.
	Draining Status = "draining"
	// Critical: a check fails.
	Critical Status = "critical"
)

// Statuses lists every status, best first.
func Statuses() []Status { return []Status{Passing, Warning, Starting, Draining, Critical} }

// Callable reports whether new calls may go to an instance of this status:
// passing and warning ones, and those that say nothing.
func (s Status) Callable() bool { return s == Passing || s == Warning || s == "" }

// Worse returns the worse of two states, so that several checks combine to
// the worst of them.
func (s Status) Worse(t Status) Status {
	if slices.Index(Statuses(), t.orPassing()) > slices.Index(Statuses(), s.orPassing()) {
		return t
	}
	return s
}

func (s Status) orPassing() Status {
	if s == "" {
		return Passing
	}
	return s
}

// WithDefaults returns a copy with the documented defaults filled in: ID,
// Weight and Status. [Register] applies it; drivers apply it to what they read.
func (in Instance) WithDefaults() Instance {
	if in.ID == "" {
		in.ID = in.Addr
	}
	if in.Weight == 0 {
		in.Weight = DefaultWeight
	}
	in.Status = in.Status.orPassing()
	return in
}

// Clone returns a deep copy.
func (in Instance) Clone() Instance {
	in.Endpoints = maps.Clone(in.Endpoints)
	in.Tags = slices.Clone(in.Tags)
	in.Metadata = maps.Clone(in.Metadata)
	return in
}

// Equal reports whether two instances say the same, nil and empty
// collections counting as equal.
func (in *Instance) Equal(other *Instance) bool {
	if in == other {
		return true
	}
	return in.ID == other.ID && in.Service == other.Service && in.Addr == other.Addr &&
		in.Weight == other.Weight && in.Zone == other.Zone && in.Version == other.Version &&
		in.Status == other.Status && in.Reason == other.Reason && in.Reported == other.Reported &&
		slices.Equal(in.Tags, other.Tags) &&
		maps.Equal(in.Endpoints, other.Endpoints) &&
		maps.Equal(in.Metadata, other.Metadata)
}

// Address returns where to reach the instance over one of the protocols, the
// first that it offers in Endpoints winning, and that protocol. Without such
// an endpoint it returns Addr and "".
func (in *Instance) Address(protocols ...string) (addr, protocol string) {
	for _, p := range protocols {
		if a := in.Endpoints[p]; a != "" {
			return a, p
		}
	}
	return in.Addr, ""
}

// HasTag reports whether the instance carries the tag; every instance
// carries the empty one.
func (in *Instance) HasTag(tag string) bool { return tag == "" || slices.Contains(in.Tags, tag) }

// String names the instance in logs and errors: service/id, and the address
// where the id does not tell it.
func (in *Instance) String() string {
	if in.ID == in.Addr || in.ID == "" {
		return in.Service + "/" + in.Addr
	}
	return in.Service + "/" + in.ID + " (" + in.Addr + ")"
}

// MarshalJSON writes every key of the contract, empty collections included,
// so that a reader need not tell absent from empty.
func (in Instance) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID        string            `json:"id"`
		Service   string            `json:"service"`
		Addr      string            `json:"addr"`
		Endpoints map[string]string `json:"endpoints"`
		Weight    int               `json:"weight"`
		Zone      string            `json:"zone"`
		Version   string            `json:"version"`
		Tags      []string          `json:"tags"`
		Metadata  map[string]string `json:"metadata"`
		Status    Status            `json:"status"`
		Reason    string            `json:"reason"`
		Reported  Status            `json:"reported,omitempty"`
	}{
		in.ID, in.Service, in.Addr, orEmpty(in.Endpoints), in.Weight, in.Zone, in.Version,
		append([]string{}, in.Tags...), orEmpty(in.Metadata), in.Status, in.Reason, in.Reported,
	})
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
