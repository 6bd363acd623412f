package zookeeper

import (
	"errors"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
)

// arbitrate decides whether the claim may take the place, and returns it with
// its incarnation, or fails with [adsum.ErrSuperseded].
//
// Incarnations come from the ensemble's transaction number, so the higher one
// is the younger owner. A wipe or a restore sets that number back; see
// [adsum.Claim.YoungerThan].
func (r *Registry) arbitrate(p place, claim adsum.Claim) (adsum.Claim, error) {
	h := p.holder()
	if claim.Incarnation == 0 {
		claim.Incarnation = max(p.sequence, h.claim.Incarnation) + 1
		return claim, nil
	}
	if h.session == 0 || h.claim.Owner == claim.Owner || !h.claim.YoungerThan(claim, p.sequence) {
		return claim, nil // kept by nobody, or our own, or older
	}
	if claim.Incarnation > p.sequence && !r.outlasts(h, claim.Owner) {
		return claim, errHeld
	}
	return claim, superseded(h, claim)
}

func superseded(h holder, claim adsum.Claim) error {
	return fmt.Errorf("%w: it claimed this id at %d, we at %d", adsum.ErrSuperseded, h.claim.Incarnation, claim.Incarnation)
}

// errHeld is an answer for the time being.
var errHeld = errors.New("the ensemble was wiped or restored, and the id is held by another owner; waiting whether that one's session runs out")

// sighting is since when a session was seen to hold an id.
type sighting struct {
	session int64
	since   time.Time
}

// outlasts reports whether the holder is known to live: a session that a
// backup brought back ends with its timeout, one of an owner that runs does
// not.
func (r *Registry) outlasts(h holder, owner string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, ok := r.sightings[owner]
	if !ok || seen.session != h.session {
		r.sightings[owner] = sighting{h.session, time.Now()}
		return false
	}
	return time.Since(seen.since) > maxTTL
}

// forget drops what was seen by an owner that is done.
func (r *Registry) forget(owner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sightings, owner)
}
