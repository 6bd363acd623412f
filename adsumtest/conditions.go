package adsumtest

import (
	"fmt"
	"strings"

	"github.com/adsum-go/adsum"
)

// Conditions on snapshots.

func shows(ids ...string) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool { return s.Known() && has(s.Instances, ids...) }
}

func lacks(id string) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool { return s.Known() && !has(s.Instances, id) }
}

func isStale(s *adsum.Snapshot) bool   { return s.Stale() }
func isCurrent(s *adsum.Snapshot) bool { return s.Known() && !s.Stale() }

// Conditions on answers of a driver.

func lists(ids ...string) func(adsum.Listing) bool {
	return func(l adsum.Listing) bool { return has(l.Instances, ids...) }
}

func find(instances []*adsum.Instance, id string) *adsum.Instance {
	for _, in := range instances {
		if in.ID == id {
			return in
		}
	}
	return nil
}

func has(instances []*adsum.Instance, ids ...string) bool {
	for _, id := range ids {
		if find(instances, id) == nil {
			return false
		}
	}
	return true
}

func list(instances []*adsum.Instance) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d instances", len(instances))
	for i, in := range instances {
		if i == 10 {
			b.WriteString(" …")
			break
		}
		fmt.Fprintf(&b, " %s=%s/%s", in.ID, in.Addr, in.Status)
	}
	return b.String()
}

func describe(s *adsum.Snapshot) string {
	return fmt.Sprintf("the snapshot has generation %d, stale %t, error %v, %s", s.Generation, s.Stale(), s.Err, list(s.Instances))
}
