package adsum

import (
	"sort"
	"time"
)

// Snapshot is what is known of one service at one moment. It is immutable:
// a newer state is another Snapshot.
type Snapshot struct {
	// Service is the name that was asked for.
	Service string
	// Instances is the complete set, of every status, sorted by ID. It
	// must not be modified.
	Instances []*Instance
	// Generation rises by at least one with every change of Instances. It
	// is 0 while nothing is known at all: unknown is not empty.
	Generation uint64
	// ChangedAt is when Instances last changed.
	ChangedAt time.Time
	// SyncedAt is when the registry last confirmed Instances.
	SyncedAt time.Time
	// StaleSince is SyncedAt once the registry no longer confirms, and
	// zero while it does.
	StaleSince time.Time
	// Err is the last error of the watch, nil while it is well.
	Err error
	// FromDisk tells that Instances are the last known good of an earlier
	// run, and the registry has not answered since.
	FromDisk bool
	// Skipped are registry entries that could not be read.
	Skipped []Skipped
}

// Known reports whether there was ever an answer, from the registry or from
// disk. An unknown service is not an empty one.
func (s *Snapshot) Known() bool { return s.Generation > 0 }

// Stale reports whether the registry no longer confirms the instances.
func (s *Snapshot) Stale() bool { return !s.StaleSince.IsZero() }

// Age is how long ago the registry last confirmed the instances.
func (s *Snapshot) Age() time.Duration { return time.Since(s.SyncedAt) }

// Get returns the instance of that id.
func (s *Snapshot) Get(id string) (*Instance, bool) {
	i := sort.Search(len(s.Instances), func(i int) bool { return s.Instances[i].ID >= id })
	if i < len(s.Instances) && s.Instances[i].ID == id {
		return s.Instances[i], true
	}
	return nil, false
}

// Select returns the instances that carry the tag ("" for any) and, where
// callableOnly is set, those that new calls may go to.
func (s *Snapshot) Select(tag string, callableOnly bool) []*Instance {
	var selected []*Instance
	for _, in := range s.Instances {
		if in.HasTag(tag) && (!callableOnly || in.Status.Callable()) {
			selected = append(selected, in)
		}
	}
	return selected
}

// Change is the difference between two snapshots of a service.
type Change struct {
	Time     time.Time
	Snapshot *Snapshot // the newer one
	Added    []*Instance
	Removed  []*Instance
	Changed  []Replaced
}

// Replaced is an instance that is there before and after, and says something else.
type Replaced struct{ Old, New *Instance }

// diff walks two sorted sets. Instances that did not change share a pointer,
// which makes this a scan without string comparisons for most of them.
func diff(older, newer []*Instance) (added, removed []*Instance, changed []Replaced) {
	i, j := 0, 0
	for i < len(older) && j < len(newer) {
		switch {
		case older[i] == newer[j]:
			i, j = i+1, j+1
		case older[i].ID < newer[j].ID:
			removed = append(removed, older[i])
			i++
		case older[i].ID > newer[j].ID:
			added = append(added, newer[j])
			j++
		default:
			if !older[i].Equal(newer[j]) {
				changed = append(changed, Replaced{older[i], newer[j]})
			}
			i, j = i+1, j+1
		}
	}
	return append(added, newer[j:]...), append(removed, older[i:]...), changed
}
