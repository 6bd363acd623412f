package adsum

import (
	"slices"
	"time"
)

const (
	// holdFor is for how long instances that a registry forgot are kept: as
	// long as their owners take to notice and to register again.
	holdFor = DefaultTTL + backoffMax
	// doubtAfter is how long a registry must have been away for leases to run
	// out as it comes back. They are renewed three times in a TTL, so that the
	// default one has two thirds of it left at least.
	doubtAfter = DefaultTTL * 2 / 3
)

// withHeld adds to an answer what the registry probably only forgot. A
// registry that came back empty, or with an older state, tells the truth about
// itself and not about the services: they run on, and register again within
// seconds. So does one that stood still, and then finds that the leases of all
// whom it did not hear are over: that takes some moments, so what its first
// answer lists may vanish with the next. It is believed about an instance once
// that instance was missing and is listed again, or when holdFor has passed.
// The caller holds mu.
func (w *watched) withHeld(old *Snapshot, l Listing, now time.Time) Listing {
	emptied := w.broke && len(l.Instances) == 0
	switch {
	case len(old.Instances) == 0:
	case emptied || l.Sequence < w.sequence:
		w.hold(old, now)
	case w.broke && w.wasAway(old, now):
		w.hold(old, now)
		w.held, w.doubted = map[string]*Instance{}, w.held
	}
	w.broke, w.sequence, w.listed = false, l.Sequence, l
	if len(w.held)+len(w.doubted) == 0 {
		return l
	}
	w.compare(l.Instances)
	l.Instances = slices.Clone(l.Instances)
	for _, in := range w.held {
		l.Instances = append(l.Instances, in)
	}
	if len(w.held)+len(w.doubted) == 0 {
		w.holding.Stop()
	}
	return l
}

// wasAway tells whether the registry answers for the first time after so long
// that leases may have run out. Where nobody registers, none can. One that is
// asked now and then may well be silent for longer.
func (w *watched) wasAway(old *Snapshot, now time.Time) bool {
	caps := w.dir.registry.Capabilities()
	return caps.Register && !old.FromDisk && now.Sub(old.SyncedAt) > max(doubtAfter, caps.Heartbeat)
}

// compare lets go of what was missing and is listed again, and holds what is
// doubted and is missing now. The caller holds mu.
func (w *watched) compare(instances []*Instance) {
	listed := make(map[string]*Instance, len(w.doubted))
	for _, in := range instances {
		delete(w.held, in.ID)
		if w.doubted[in.ID] != nil {
			listed[in.ID] = in
		}
	}
	for id, in := range w.doubted {
		if listed[id] == nil {
			w.held[id] = in
		}
	}
	w.doubted = listed
}

// hold keeps everything that is known now for holdFor. The caller holds mu.
func (w *watched) hold(old *Snapshot, now time.Time) {
	w.held, w.doubted = make(map[string]*Instance, len(old.Instances)), nil
	for _, in := range old.Instances {
		w.held[in.ID] = in
	}
	w.heldSince = now
	if w.holding != nil {
		w.holding.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(holdFor, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.holding == timer && w.ctx.Err() == nil {
			w.letGo()
		}
	})
	w.holding = timer
}

// letGo believes the registry. While there is no connection to it, the next
// answer will do.
func (w *watched) letGo() {
	clear(w.doubted)
	if len(w.held) == 0 {
		return
	}
	clear(w.held)
	if !w.broke {
		w.publish(w.listed)
	}
}
