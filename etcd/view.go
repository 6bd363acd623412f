package etcd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// view is the state of one service, merged from its public and its private
// records and the overrides. One event costs the work on one instance; an
// emission copies one slice of pointers.
type view struct {
	layout  layout
	service string
	to      func(adsum.Listing)

	revision  int64               // of the newest event
	records   [2]map[string]entry // public and private ones, by id
	overrides map[string]adsum.Override
	merged    []*adsum.Instance // sorted by id
	bad       map[string]error  // by key
	// half holds, by id, the revision of a change that may be one half of a
	// transaction, until the other half was seen or cannot come any more.
	half  map[string]int64
	dirty map[string]bool // ids to merge anew
}

type entry struct {
	in       *adsum.Instance
	revision int64
}

func newView(l layout, service string, to func(adsum.Listing)) *view {
	return &view{
		layout: l, service: service, to: to,
		records:   [2]map[string]entry{{}, {}},
		overrides: map[string]adsum.Override{},
		bad:       map[string]error{},
		half:      map[string]int64{},
		dirty:     map[string]bool{},
	}
}

func (v *view) load(kvs []*mvccpb.KeyValue, revision int64) {
	v.revision = revision
	for _, kv := range kvs {
		v.put(kv)
	}
	clear(v.half) // a listing is of one revision
}

func (v *view) apply(event *mvccpb.Event) {
	v.revision = max(v.revision, event.Kv.ModRevision)
	if event.Type == mvccpb.Event_PUT {
		v.put(event.Kv)
		return
	}
	key := string(event.Kv.Key)
	delete(v.bad, key)
	service, id, k := v.layout.split(key)
	if service != v.service {
		return
	}
	switch k {
	case publicRecord, privateRecord:
		side := sideOf(k)
		delete(v.records[side], id)
		v.arrived(id, event.Kv.ModRevision)
		v.await(id, 1-side, event.Kv.ModRevision)
	case override:
		delete(v.overrides, id)
	}
	v.dirty[id] = true
}

// sideOf is the index of a record's kind in view.records.
func sideOf(k kind) int {
	if k == publicRecord {
		return 0
	}
	return 1
}

func (v *view) put(kv *mvccpb.KeyValue) {
	key := string(kv.Key)
	service, id, k := v.layout.split(key)
	if service != v.service || k == other {
		return
	}
	delete(v.bad, key)
	v.dirty[id] = true
	if k == override {
		o, err := codec.DecodeOverride(kv.Value)
		if err != nil {
			v.bad[key] = err
			delete(v.overrides, id)
			return
		}
		v.overrides[id] = o
		return
	}
	side := sideOf(k)
	record, err := codec.Decode(service, id, kv.Value)
	if err != nil {
		v.bad[key] = err
		delete(v.records[side], id)
		return
	}
	v.arrived(id, kv.ModRevision)
	v.records[side][id] = entry{&record.Instance, kv.ModRevision}
	if k == publicRecord && record.Claim.Owner == "" {
		v.await(id, 1-side, kv.ModRevision) // a format that does not say everything: the private record may
	}
}

// arrived notes a change of one record: the other half, if one was awaited.
func (v *view) arrived(id string, revision int64) {
	if v.half[id] <= revision {
		delete(v.half, id)
	}
}

// await notes that a change of one record may be half of a transaction, if
// the other side did not reach its revision yet.
func (v *view) await(id string, side int, revision int64) {
	if v.records[side][id].revision < revision {
		v.half[id] = revision
	}
}

func (v *view) torn() bool { return len(v.half) > 0 }

func (v *view) mend(revision int64) {
	for id, at := range v.half {
		if at <= revision {
			delete(v.half, id)
		}
	}
}

func (v *view) emit() {
	v.merge()
	listing := adsum.Listing{Instances: slices.Clone(v.merged), Sequence: uint64(v.revision)}
	for key, err := range v.bad {
		listing.Skipped = append(listing.Skipped, adsum.Skipped{Key: printableKey(key), Err: err})
	}
	slices.SortFunc(listing.Skipped, func(a, b adsum.Skipped) int { return strings.Compare(a.Key, b.Key) })
	v.to(listing)
}

// merge brings v.merged up to date: the dirty ones are looked up, what lies
// between them is copied. An instance that says the same as before keeps its
// pointer.
func (v *view) merge() {
	if len(v.dirty) == 0 {
		return
	}
	rest := v.merged
	v.merged = make([]*adsum.Instance, 0, len(rest)+len(v.dirty))
	for _, id := range slices.Sorted(maps.Keys(v.dirty)) {
		i, found := slices.BinarySearchFunc(rest, id, func(in *adsum.Instance, id string) int { return strings.Compare(in.ID, id) })
		v.merged = append(v.merged, rest[:i]...)
		rest = rest[i:]
		in := v.current(id)
		if found {
			if in != nil && in.Equal(rest[0]) {
				in = rest[0]
			}
			rest = rest[1:]
		}
		if in != nil {
			v.merged = append(v.merged, in)
		}
	}
	v.merged = append(v.merged, rest...)
	clear(v.dirty)
}

// current is the instance as callers shall see it: the newer of its two
// records, under the operator's word. Of two records of one transaction the
// private one tells more.
func (v *view) current(id string) *adsum.Instance {
	newest := v.records[1][id]
	if public := v.records[0][id]; public.revision > newest.revision {
		newest = public
	}
	if newest.in == nil {
		return nil
	}
	o, overridden := v.overrides[id]
	if !overridden {
		return newest.in
	}
	in := o.Apply(*newest.in)
	return &in
}

// printableKey makes a foreign key safe to print.
func printableKey(key string) string {
	quoted := fmt.Sprintf("%q", key)
	return quoted[1 : len(quoted)-1]
}
