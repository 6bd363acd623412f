package adsum

import (
	"slices"
	"time"
)

// holdFor is for how long instances that a registry forgot are kept: as long
// as their owners take to notice and to register again.
const holdFor = DefaultTTL + backoffMax

// withHeld adds to an answer what the registry probably only forgot. A
// registry that came back empty, or with an older state, tells the truth about
// itself and not about the services: they run on, and register again within
// seconds. It is believed about an instance once that instance was listed
// again, or when holdFor has passed. The caller holds mu.
func (w *watched) withHeld(old *Snapshot, l Listing, now time.Time) Listing {
	emptied := w.broke && len(l.Instances) == 0
	if len(old.Instances) > 0 && (emptied || l.Sequence < w.sequence) {
		w.hold(old, now)
	}
	w.broke, w.sequence, w.listed = false, l.Sequence, l
	if len(w.held) == 0 {
		return l
	}
	for _, in := range l.Instances {
		delete(w.held, in.ID)
	}
	l.Instances = slices.Clone(l.Instances)
	for _, in := range w.held {
		l.Instances = append(l.Instances, in)
	}
	if len(w.held) == 0 {
		w.holding.Stop()
	}
	return l
}

// hold keeps everything that is known now for holdFor. The caller holds mu.
func (w *watched) hold(old *Snapshot, now time.Time) {
	w.held = make(map[string]*Instance, len(old.Instances))
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
	if len(w.held) == 0 {
		return
	}
	clear(w.held)
	if !w.broke {
		w.publish(w.listed)
	}
}
