package consul

import (
	"context"
	"fmt"
	"strconv"

	"github.com/adsum-go/adsum"
)

// held reads from the agent whose record lies at an id: nil if there is none,
// a zero term if another program wrote it.
func (r *Registry) held(ctx context.Context, id string) (*term, error) {
	s, _, err := r.client.Agent().Service(id, query(ctx))
	if unknown(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, _ := parseTerm(s.Meta[metaTerm])
	return &t, nil
}

// catalogued reads from the catalog, of which every agent has the same, who
// holds an id on whichever node, and at which index that was so. complete is
// false if rights are missing that may hide some.
func (r *Registry) catalogued(ctx context.Context, service, id string) (entries []*entry, index uint64, complete bool, err error) {
	return r.catalogAfter(ctx, 0, service, id)
}

// catalogAfter waits for up to settling until the service has changed since
// the index.
func (r *Registry) catalogAfter(ctx context.Context, since uint64, service, id string) (entries []*entry, index uint64, complete bool, err error) {
	q := query(ctx)
	q.WaitIndex, q.WaitTime = since, settling
	q.Filter = "Service.ID == " + strconv.Quote(id)
	answer, meta, err := r.client.Health().Service(service, "", false, q)
	if err != nil {
		return nil, 0, false, err
	}
	for _, s := range answer {
		if e, err := readEntry(service, s); err == nil {
			entries = append(entries, e)
		}
	}
	return entries, meta.LastIndex, !meta.ResultsFilteredByACLs, nil
}

// arbitrate decides whether the claim may take the id, and returns it with its
// incarnation, or fails with [adsum.ErrSuperseded]. Incarnations are Consul's
// index where it was read, so they rise, also over the owners of one id at
// several agents; but nothing ties the reading to the writing. The index is
// returned too.
func (r *Registry) arbitrate(ctx context.Context, in adsum.Instance, claim adsum.Claim) (adsum.Claim, uint64, error) {
	ctx, cancel := r.request(ctx)
	defer cancel()
	id := serviceID(in.Service, in.ID)
	holders, index, _, err := r.catalogued(ctx, in.Service, id)
	if err != nil {
		return claim, 0, err
	}
	here, err := r.held(ctx, id) // the catalog may lag behind the agent
	if err != nil {
		return claim, 0, err
	}
	if here != nil {
		holders = append(holders, &entry{ours: here.lease != "", term: *here, expired: expiredHere(holders, here)})
	}
	first := claim.Incarnation == 0
	if first {
		claim.Incarnation = index
	}
	for _, e := range holders {
		switch {
		case !e.ours || e.term.claim.Owner == claim.Owner:
		case first:
			claim.Incarnation = max(claim.Incarnation, e.term.claim.Incarnation+1)
		case !e.expired && !e.away && e.term.claim.YoungerThan(claim, index):
			return claim, 0, supersededBy(e.term, claim)
		}
	}
	claim.Incarnation = max(claim.Incarnation, 1)
	return claim, index, nil
}

// expiredHere reports whether the catalog knows the agent's record as one
// whose owner is gone.
func expiredHere(catalog []*entry, here *term) bool {
	for _, e := range catalog {
		if e.term.lease == here.lease && e.expired {
			return true
		}
	}
	return false
}

func supersededBy(other term, claim adsum.Claim) error {
	return fmt.Errorf("%w: it claimed this id at %d, after our %d", adsum.ErrSuperseded, other.claim.Incarnation, claim.Incarnation)
}

// inspect compares the agent's record with what this lease last wrote. The
// caller has the turn.
func (l *lease) inspect(ctx context.Context) error {
	ctx, cancel := l.r.request(ctx)
	defer cancel()
	held, err := l.r.held(ctx, l.id)
	if err != nil {
		return err
	}
	switch {
	case held == nil:
		return fmt.Errorf("%w: the agent does not know the record: somebody removed it, or the agent lost its memory", adsum.ErrLeaseLost)
	case held.lease == "":
		return fmt.Errorf("%w: another program has written the record", adsum.ErrSuperseded)
	case held.lease == l.term.lease && held.serial < l.term.serial:
		return fmt.Errorf("%w: the agent went back to an older record", adsum.ErrLeaseLost)
	case held.lease == l.term.lease:
		l.term.serial = held.serial // the answer to an earlier write may have been lost
		return nil
	case held.claim.Owner == l.term.claim.Owner:
		return fmt.Errorf("%w: a later lease of ours holds the record", adsum.ErrLeaseLost)
	}
	_, index, _, err := l.r.catalogued(ctx, l.in.Service, l.id)
	if err != nil {
		return err
	}
	return l.rival(*held, index)
}

// rival judges a record of another owner: of a younger one, or of an older one
// that came back while ours was away, to be taken over.
func (l *lease) rival(other term, index uint64) error {
	if other.claim.YoungerThan(l.term.claim, index) {
		return supersededBy(other, l.term.claim)
	}
	return fmt.Errorf("%w: an older owner has written the record", adsum.ErrLeaseLost)
}

// inspectCatalog looks for the record where others see it, and for younger
// owners at other agents.
func (l *lease) inspectCatalog(ctx context.Context) error {
	ctx, cancel := l.r.request(ctx)
	defer cancel()
	entries, index, complete, err := l.r.catalogued(ctx, l.in.Service, l.id)
	if err != nil || !complete {
		return nil // nothing is known: the agent keeps the record meanwhile
	}
	var own *entry
	for _, e := range entries {
		switch {
		case e.term.lease == l.term.lease:
			own = e
		case e.ours && !e.expired && !e.away && e.term.claim.Owner != l.term.claim.Owner && e.term.claim.YoungerThan(l.term.claim, index):
			return supersededBy(e.term, l.term.claim)
		}
	}
	switch {
	case l.created == 0 && own == nil:
		return nil // the agent is about to tell the catalog
	case l.created == 0:
		l.created = own.created
	case own == nil, own.term.serial < l.term.serial, own.created != l.created:
		return fmt.Errorf("%w: the catalog went back to a state without it", adsum.ErrLeaseLost)
	}
	return nil
}
