package zookeeper

import (
	"context"
	"math"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// place is what lies at the nodes of one instance. They are read one after the
// other; who writes checks their versions.
type place struct {
	sequence       uint64         // of the ensemble
	public, record *node          // nil if there is none
	override       adsum.Override // zero if there is none
}

// look reads an instance's nodes, without the private ones if publicOnly, and
// watches them.
func (s *session) look(ctx context.Context, n nodes, publicOnly bool) (p place, err error) {
	if p.public, err = follow(ctx, s, n.public, s.getW); err != nil {
		return p, err
	}
	if !publicOnly {
		if p.record, err = follow(ctx, s, n.record, s.getW); err != nil {
			return p, err
		}
		override, err := follow(ctx, s, n.override, s.getW)
		if err != nil {
			return p, err
		}
		if override != nil {
			// A broken override is shown by every watch; here it is none.
			p.override, _ = codec.DecodeOverride(override.data)
		}
	}
	p.sequence = s.sequence()
	return p, nil
}

// holder is who holds an id.
type holder struct {
	claim   adsum.Claim
	session int64 // 0: nobody keeps the record
}

// holder reads who holds the id, the newer of the two records counting; of two
// of one transaction the private one tells more. A record that does not say,
// such as a foreign program's, counts as claimed when it was written.
func (p place) holder() holder {
	n := p.record
	if n == nil || p.public != nil && p.public.stat.Mzxid > n.stat.Mzxid {
		n = p.public
	}
	if n == nil {
		return holder{}
	}
	h := holder{session: n.stat.EphemeralOwner}
	if record, err := codec.Decode("x", "x", n.data); err == nil {
		h.claim = record.Claim
	}
	if i := h.claim.Incarnation; i == 0 || i > math.MaxInt64 {
		h.claim.Incarnation = uint64(n.stat.Mzxid)
	}
	return h
}
