package etcd

import (
	"context"
	"fmt"

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
	}
}

// arbitrate decides whether the claim may take the place, and returns it with
// its incarnation, or fails with [adsum.ErrSuperseded].
//
// Incarnations come from the registry's revision. A wipe sets that back, and
// a restore from an older backup too, so a number alone does not tell who is
// younger: an owner from before has a high one. A record that claims more
// than the revision it was written at was brought over from before, and so is
// a claim beyond the registry's revision; of two such, and of two of the
// present, the higher number is the younger, and otherwise the one of the
// present is. Where the revision has already overtaken the claim, the owner's
// last write tells: if the registry has no memory of it, it is from before.
func (r *Registry) arbitrate(ctx context.Context, p place, claim adsum.Claim) (adsum.Claim, error) {
	h := p.holder()
	if claim.Incarnation == 0 {
		claim.Incarnation = max(uint64(p.revision)+1, h.claim.Incarnation+1)
		return claim, nil
	}
	last := r.tenure(claim.Owner)
	mine := h.claim.Owner == claim.Owner || h.lease == last.lease
	if h.lease == 0 || mine { // empty, or kept by nobody, or by ourselves
		return claim, nil
	}
	younger := h.claim.Incarnation > claim.Incarnation
	if present := h.claim.Incarnation <= uint64(h.revision); present && !younger {
		fromBefore := claim.Incarnation > uint64(p.revision)
		if !fromBefore && last.key != "" {
			forgotten, err := r.forgotten(ctx, last)
			if err != nil {
				return claim, err
			}
			fromBefore = forgotten
		}
		younger = fromBefore
	}
	if younger {
		return claim, fmt.Errorf("%w: it claimed this id at %d, after our %d", adsum.ErrSuperseded, h.claim.Incarnation, claim.Incarnation)
	}
	return claim, nil
}

// forgotten reports whether the registry's history lacks the owner's last
// write: it was wiped or restored since. A history that is compacted away
// does not tell, and counts as not forgotten.
func (r *Registry) forgotten(ctx context.Context, last tenure) (bool, error) {
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
