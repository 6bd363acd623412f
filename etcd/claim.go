package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
)

// tenure is what this process remembers of an owner's last lease.
type tenure struct {
	lease    clientv3.LeaseID
	key      string // that it wrote last
	revision int64  // of that write
}

func (r *Registry) tenure(owner string) tenure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tenures[owner]
}

func (r *Registry) remember(owner string, t tenure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tenures[owner] = t
}

// forget drops an owner's tenure, unless it is that of a later lease.
func (r *Registry) forget(owner string, id clientv3.LeaseID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tenures[owner].lease == id {
		delete(r.tenures, owner)
		delete(r.sightings, owner)
	}
}

// arbitrate decides whether the claim may take the place, and returns it with
// its incarnation, or fails with [adsum.ErrSuperseded].
//
// Incarnations come from the registry's revision, so the higher number is the
// younger owner. A wipe sets the revision back, and a restore from a backup
// too; then an owner from before has the higher number although whoever
// registered since is younger. See [Registry.fromBefore] and [Registry.alive].
func (r *Registry) arbitrate(ctx context.Context, p place, claim adsum.Claim) (adsum.Claim, error) {
	h := p.holder()
	if claim.Incarnation == 0 {
		claim.Incarnation = max(uint64(p.revision)+1, h.claim.Incarnation+1)
		return claim, nil
	}
	last := r.tenure(claim.Owner)
	if h.lease == 0 || h.lease == last.lease || h.claim.Owner == claim.Owner {
		return claim, nil // empty, or kept by nobody, or our own
	}
	if h.claim.Incarnation > claim.Incarnation {
		return claim, superseded(h, claim)
	}
	before, err := r.fromBefore(ctx, p, claim, last)
	if err != nil || !before || h.fromBefore() {
		return claim, err
	}
	// Since we claimed, the registry was wiped or restored, and the holder
	// registered since; or it is an owner of the past that a backup brought
	// back. One that is alive renews its lease.
	alive, err := r.alive(ctx, claim.Owner, h.lease)
	if err != nil {
		return claim, err
	}
	if alive {
		return claim, superseded(h, claim)
	}
	return claim, errHeld
}

func superseded(h holder, claim adsum.Claim) error {
	return fmt.Errorf("%w: it claimed this id at %d, we at %d", adsum.ErrSuperseded, h.claim.Incarnation, claim.Incarnation)
}

// errHeld is an answer for the time being.
var errHeld = errors.New("the registry was wiped or restored, and the id is held by another owner; waiting whether that one's lease is renewed or runs out")

// fromBefore reports whether the registry was wiped or restored since the
// claim was made. A claim beyond the registry's revision tells; where the
// revision has overtaken it, the owner's last write does, which the registry
// has no memory of then. A history that is compacted away does not tell, and
// counts as the same.
func (r *Registry) fromBefore(ctx context.Context, p place, claim adsum.Claim, last tenure) (bool, error) {
	if claim.Incarnation > uint64(p.revision) {
		return true, nil
	}
	if last.key == "" {
		return false, nil
	}
	ctx, cancel := r.request(ctx)
	defer cancel()
	answer, err := r.client.Get(ctx, last.key, clientv3.WithRev(last.revision))
	switch {
	case isCompacted(err):
		return false, nil
	case isFuture(err):
		return true, nil
	case err != nil:
		return false, err
	}
	return len(answer.Kvs) == 0 || answer.Kvs[0].Lease != int64(last.lease), nil
}

// sighting is when a lease was going to run out, as it was last seen.
type sighting struct {
	lease   clientv3.LeaseID
	expires time.Time
}

// renewal is by how much a lease's end must have moved to count as renewed;
// etcd tells it in whole seconds.
const renewal = 1500 * time.Millisecond

// alive reports whether the lease was renewed since this owner last asked
// about it. The first time it is not known, and false.
func (r *Registry) alive(ctx context.Context, owner string, id clientv3.LeaseID) (bool, error) {
	ctx, cancel := r.request(ctx)
	defer cancel()
	answer, err := r.client.TimeToLive(ctx, id)
	if err != nil {
		return false, err
	}
	now := sighting{id, time.Now().Add(time.Duration(answer.TTL) * time.Second)}
	r.mu.Lock()
	defer r.mu.Unlock()
	before, seen := r.sightings[owner]
	if !seen || before.lease != id {
		r.sightings[owner] = now
		return false, nil
	}
	return answer.TTL > 0 && now.expires.Sub(before.expires) > renewal, nil
}
