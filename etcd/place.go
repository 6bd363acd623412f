package etcd

import (
	"context"
	"math"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// place is what lies at the keys of one instance at one revision.
type place struct {
	revision       int64            // of the registry
	public, record *mvccpb.KeyValue // nil if there is none
	override       adsum.Override   // zero if there is none
}

// look reads an instance's keys, without the private ones if publicOnly.
func (r *Registry) look(ctx context.Context, k keys, publicOnly bool) (place, error) {
	ops := []clientv3.Op{clientv3.OpGet(k.public)}
	if !publicOnly {
		ops = append(ops, clientv3.OpGet(k.record), clientv3.OpGet(k.override))
	}
	answer, err := r.commit(ctx, nil, ops, nil)
	if err != nil {
		return place{}, err
	}
	p := place{revision: answer.Header.Revision}
	found := make([]*mvccpb.KeyValue, 3)
	for i, part := range answer.Responses {
		if kvs := part.GetResponseRange().GetKvs(); len(kvs) > 0 {
			found[i] = kvs[0]
		}
	}
	p.public, p.record = found[0], found[1]
	if found[2] != nil {
		// A broken override is shown by every watch; here it is none.
		p.override, _ = codec.DecodeOverride(found[2].Value)
	}
	return p, nil
}

// unchanged is the condition that both records are still as they were read.
func (p place) unchanged(k keys, publicOnly bool) []clientv3.Cmp {
	conditions := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(k.public), "=", p.public.GetModRevision())}
	if !publicOnly {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(k.record), "=", p.record.GetModRevision()))
	}
	return conditions
}

// holder is who holds an id.
type holder struct {
	claim    adsum.Claim
	revision int64            // at which the record was written
	lease    clientv3.LeaseID // 0: nobody keeps the record
}

// fromBefore reports whether the holder brought its claim over a wipe or
// restore: a record cannot have been claimed later than it was written.
func (h holder) fromBefore() bool { return h.claim.Incarnation > uint64(h.revision) }

// holder reads who holds the id, the newer of the two records counting. A
// record that does not say, such as a foreign program's, counts as claimed
// when it was written.
func (p place) holder() holder {
	kv := p.record
	if p.public.GetModRevision() > kv.GetModRevision() {
		kv = p.public
	}
	if kv == nil {
		return holder{}
	}
	h := holder{revision: kv.ModRevision, lease: clientv3.LeaseID(kv.Lease)}
	if record, err := codec.Decode("x", "x", kv.Value); err == nil {
		h.claim = record.Claim
	}
	if n := h.claim.Incarnation; n == 0 || n > math.MaxInt64 {
		h.claim.Incarnation = uint64(h.revision)
	}
	return h
}
