package consul

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// view is a service as a watch knows it.
type view struct {
	service string
	index   uint64

	entries   []*entry
	written   map[string]writing // by entry
	wentBack  bool               // the registry did, and it was not yet said
	skipped   []adsum.Skipped
	overrides map[string]adsum.Override
	expired   map[string]time.Time       // since when, by entry
	shown     map[string]*adsum.Instance // what was emitted last, by id
}

func newView(service string) *view { return &view{service: service} }

// load takes a complete answer.
func (v *view) load(answer []*api.ServiceEntry, index uint64) {
	v.entries, v.skipped, v.index = v.entries[:0], nil, index
	expired := map[string]time.Time{}
	for _, s := range answer {
		if s != nil && s.Service != nil && s.Service.Service != v.service {
			continue // a name that differs in case, which Consul does not tell apart
		}
		e, err := readEntry(v.service, s)
		if err != nil {
			v.skipped = append(v.skipped, adsum.Skipped{Key: entryName(s), Err: err})
			continue
		}
		if e.expired {
			since, known := v.expired[e.key()]
			if !known {
				since = time.Now()
			}
			expired[e.key()] = since
		}
		v.entries = append(v.entries, e)
	}
	v.expired = expired
	v.noteWritings()
	v.tellApart()
	slices.SortFunc(v.skipped, func(a, b adsum.Skipped) int { return strings.Compare(a.Key, b.Key) })
}

// noteWritings notices a registry that was restored from a backup and to which
// some services have come back since: by its index alone it never fell.
func (v *view) noteWritings() {
	written := make(map[string]writing, len(v.entries))
	for _, e := range v.entries {
		if !e.ours {
			continue
		}
		now := writing{e.term, e.modified}
		before, known := v.written[e.key()]
		v.wentBack = v.wentBack || known && now.after(before)
		written[e.key()] = now
	}
	v.written = written
}

// entryName names a foreign entry, safe to print.
func entryName(s *api.ServiceEntry) string {
	if s == nil || s.Service == nil || s.Node == nil {
		return "?"
	}
	quoted := strconv.Quote(s.Node.Node + "/" + s.Service.ID)
	return quoted[1 : len(quoted)-1]
}

// due is how long until a record that ran out is believed to have, 0 if there
// is none.
func (v *view) due() time.Duration {
	var first time.Duration
	for _, since := range v.expired {
		if left := time.Until(since.Add(expiryGrace)); left > 0 && (first == 0 || left < first) {
			first = left
		}
	}
	return first
}

// gone reports whether an entry's owner has not been heard of for so long that
// nobody keeps it.
func (v *view) gone(e *entry) bool {
	return e.expired && time.Since(v.expired[e.key()]) >= expiryGrace
}

// tellApart gives foreign records of one id, which any two nodes may hold, ids
// that say the node as well.
func (v *view) tellApart() {
	holding := make(map[string]int, len(v.entries))
	for _, e := range v.entries {
		holding[e.in.ID]++
	}
	for _, e := range v.entries {
		if !e.ours && holding[e.in.ID] > 1 {
			e.in.ID = foreignID(e.in.ID + "@" + e.node)
		}
	}
}

// holders are the entries that count, by the id of the instance. Of several
// records of one id the one that is kept counts, and then the youngest.
func (v *view) holders() map[string]*entry {
	holders := make(map[string]*entry, len(v.entries))
	for _, e := range v.entries {
		if v.gone(e) {
			continue
		}
		if held := holders[e.in.ID]; held == nil || e.claimed(held, v.index) {
			holders[e.in.ID] = e
		}
	}
	return holders
}

// listing is the complete set as callers shall see it. An instance that says
// the same as before keeps its pointer.
func (v *view) listing() adsum.Listing {
	holders := v.holders()
	shown := make(map[string]*adsum.Instance, len(holders))
	listing := adsum.Listing{Instances: make([]*adsum.Instance, 0, len(holders)), Skipped: slices.Clone(v.skipped), Sequence: v.index}
	for id, e := range holders {
		in := v.override(e).Apply(e.in)
		if e.expired && in.Status == adsum.Passing {
			in.Status, in.Reason = adsum.Warning, "its owner's heartbeat ran out"
		}
		if before := v.shown[id]; before != nil && before.Equal(&in) {
			shown[id] = before
		} else {
			shown[id] = &in
		}
		listing.Instances = append(listing.Instances, shown[id])
	}
	v.shown = shown
	if v.wentBack {
		v.wentBack, listing.Sequence = false, 1
	}
	return listing
}

// override is the operator's word on an entry: what the store says, and
// maintenance mode where it says nothing of draining.
func (v *view) override(e *entry) adsum.Override {
	o := v.overrides[e.in.ID]
	if o.Status == "" && e.maintenance != nil {
		o.Status, o.Reason = e.maintenance.Status, e.maintenance.Reason
	}
	return o
}
