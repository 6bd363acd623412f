package zookeeper

import (
	"context"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// view is the state of one service, merged from its public and its private
// records and the overrides. One change costs the reading of one node, and of
// a directory if a node came or went.
type view struct {
	r       *Registry
	s       *session
	service string
	to      func(adsum.Listing)

	public, records, overrides *shelf
	merged                     []*adsum.Instance // sorted by id
	stale                      bool              // merged is
	number                     uint64            // of the public directory
}

// shelf is one of the three directories of a service.
type shelf struct {
	path    string
	private bool
	denied  bool  // there is no right to it
	pzxid   int64 // of the list that was read; 0 if there is no directory
	cards   map[string]card
}

// card is what a node says, by the node's name.
type card struct {
	id       string
	zxid     int64
	in       *adsum.Instance
	override adsum.Override
	bad      error // why it cannot be read
}

func newView(r *Registry, service string, to func(adsum.Listing)) *view {
	return &view{
		r: r, service: service, to: to,
		public:    &shelf{path: r.layout.public(service), cards: map[string]card{}},
		records:   &shelf{path: r.layout.records(service), private: true, cards: map[string]card{}},
		overrides: &shelf{path: r.layout.overrides(service), private: true, cards: map[string]card{}},
	}
}

func (v *view) shelves() []*shelf { return []*shelf{v.public, v.records, v.overrides} }

func (v *view) load(ctx context.Context, reader *reader) error {
	v.s, v.stale = reader.s, true
	everything := map[string]bool{}
	for _, shelf := range v.shelves() {
		reader.add(shelf.path)
		everything[shelf.path] = true
	}
	if err := v.update(ctx, everything); err != nil {
		return err
	}
	if v.public.pzxid == 0 {
		return v.s.mayRead(ctx, parent(v.public.path))
	}
	return nil
}

// number rises with every change to a directory's list, and falls when the
// ensemble was wiped or restored: what came and went since the directory was
// made, below the time when that was, counted backwards, so that one which was
// made anew has a lower number whatever happened in it since. The ensemble's
// own number would not do: it counts sessions too, an election raises it, and
// that of a young ensemble is passed within a moment after a wipe. A directory
// that is not there has the highest: whether its instances are gone or forgotten
// is for the reader of an empty list to judge.
func (dir *directory) number() uint64 {
	if dir == nil {
		return math.MaxUint64
	}
	return uint64(ages-dir.stat.Ctime)<<changeBits + uint64(uint32(dir.stat.Cversion))
}

const (
	// changeBits leaves room for as many changes in each millisecond of a
	// directory's age.
	changeBits = 20
	// ages is a time, in milliseconds since 1970, after all that servers tell.
	ages = 1 << (63 - changeBits)
)

// mayRead fails if the nearest directory that exists must not be read: who may
// not look into it cannot tell that a service below is not there.
func (s *session) mayRead(ctx context.Context, dir string) error {
	for ; dir != ""; dir = parent(dir) {
		n, err := s.get(ctx, dir)
		if err != nil || n != nil {
			return err
		}
	}
	return nil
}

func (v *view) update(ctx context.Context, changed map[string]bool) error {
	if len(changed) == 0 {
		return nil
	}
	v.stale = true
	for _, shelf := range v.shelves() {
		if err := v.reshelve(ctx, shelf, changed); err != nil {
			return err
		}
	}
	return nil
}

// torn is true while a directory changed, as a record may have moved, or one of
// two records of one instance: they are written together.
func (v *view) torn(changed map[string]bool) bool {
	if changed[v.public.path] || changed[v.records.path] {
		return true
	}
	for p := range changed {
		for shelf, other := range map[*shelf]*shelf{v.public: v.records, v.records: v.public} {
			if _, twice := other.cards[path.Base(p)]; twice && parent(p) == shelf.path {
				return true
			}
		}
	}
	return false
}

// reshelve reads a directory if it changed, and the nodes in it that are new
// or changed.
func (v *view) reshelve(ctx context.Context, shelf *shelf, changed map[string]bool) error {
	if shelf.denied {
		return nil
	}
	again := map[string]bool{}
	for p := range changed {
		if _, here := shelf.cards[path.Base(p)]; here && parent(p) == shelf.path {
			again[path.Base(p)] = true
		}
	}
	if changed[shelf.path] {
		dir, err := follow(ctx, v.s, shelf.path, v.s.list)
		if shelf.private && err != nil && denied(err) {
			shelf.denied = true
			v.r.missingRight(err)
			return nil
		}
		if err != nil {
			return err
		}
		shelf.compare(dir, again)
		if shelf == v.public {
			v.number = dir.number()
		}
	}
	return v.fetch(ctx, shelf, slices.Sorted(maps.Keys(again)))
}

// compare drops the cards of nodes that are gone and adds the names of new
// ones to those to be read.
func (shelf *shelf) compare(dir *directory, again map[string]bool) {
	if dir == nil {
		dir = &directory{}
	}
	shelf.pzxid = dir.stat.Pzxid
	there := make(map[string]bool, len(dir.names))
	for _, name := range dir.names {
		there[name] = true
		if _, known := shelf.cards[name]; !known {
			again[name] = true
		}
	}
	for name := range shelf.cards {
		if !there[name] {
			delete(shelf.cards, name)
			delete(again, name)
		}
	}
}

// fetchers is how many nodes are read at once.
const fetchers = 32

// fetch reads nodes and puts their cards on the shelf.
func (v *view) fetch(ctx context.Context, shelf *shelf, names []string) error {
	type result struct {
		n   *node
		err error
	}
	results := make([]result, len(names))
	var group sync.WaitGroup
	for worker := range min(fetchers, len(names)) {
		group.Go(func() {
			for i := worker; i < len(names) && ctx.Err() == nil; i += fetchers {
				results[i].n, results[i].err = v.s.getW(ctx, shelf.path+"/"+names[i])
				if err := results[i].err; err != nil && !denied(err) {
					return
				}
			}
		})
	}
	group.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for i, name := range names {
		switch n, err := results[i].n, results[i].err; {
		case err != nil && denied(err):
			shelf.cards[name] = card{id: idOfNode(name), bad: fmt.Errorf("%w: %w", adsum.ErrDenied, err)}
		case err != nil:
			return err
		case n == nil:
			delete(shelf.cards, name)
		default:
			shelf.cards[name] = v.read(shelf, name, n, shelf.cards[name])
		}
	}
	return nil
}

// read makes a card of a node. An instance that says the same as before keeps
// its pointer.
func (v *view) read(shelf *shelf, name string, n *node, before card) card {
	c := card{id: idOfNode(name), zxid: n.stat.Mzxid}
	if shelf == v.overrides {
		c.override, c.bad = codec.DecodeOverride(n.data)
		return c
	}
	record, err := codec.Decode(v.service, c.id, n.data)
	if err != nil {
		c.bad = err
		return c
	}
	if c.in = before.in; c.in == nil || !c.in.Equal(&record.Instance) {
		c.in = &record.Instance
	}
	return c
}

func (v *view) prove(ctx context.Context) (missed map[string]bool, err error) {
	for _, shelf := range v.shelves() {
		if shelf.denied {
			continue
		}
		stat, err := v.s.stat(ctx, shelf.path)
		if err != nil {
			return nil, err
		}
		if stat == nil {
			stat = &zk.Stat{}
		}
		if stat.Pzxid != shelf.pzxid {
			if missed == nil {
				missed = map[string]bool{}
			}
			missed[shelf.path] = true
		}
	}
	return missed, nil
}

func (v *view) emit() {
	v.merge()
	listing := adsum.Listing{Instances: slices.Clone(v.merged), Sequence: v.number}
	for _, shelf := range v.shelves() {
		for name, c := range shelf.cards {
			if c.bad != nil {
				listing.Skipped = append(listing.Skipped, adsum.Skipped{Key: printable(shelf.path + "/" + name), Err: c.bad})
			}
		}
	}
	slices.SortFunc(listing.Skipped, func(a, b adsum.Skipped) int { return strings.Compare(a.Key, b.Key) })
	v.to(listing)
}

// merge brings v.merged up to date: of each id the newer of its two records,
// under the operator's word. Of two records of one transaction the private one
// tells more.
func (v *view) merge() {
	if !v.stale {
		return
	}
	v.stale = false
	newest := make(map[string]card, len(v.public.cards))
	for _, shelf := range []*shelf{v.public, v.records} {
		for _, c := range shelf.cards {
			if c.in != nil && c.zxid >= newest[c.id].zxid {
				newest[c.id] = c
			}
		}
	}
	before := v.merged
	v.merged = make([]*adsum.Instance, 0, len(newest))
	for _, id := range slices.Sorted(maps.Keys(newest)) {
		in := newest[id].in
		if o, overridden := v.overrides.cards[id]; overridden && o.bad == nil {
			applied := o.override.Apply(*in)
			in = &applied
			if i, found := slices.BinarySearchFunc(before, id, byID); found && before[i].Equal(in) {
				in = before[i]
			}
		}
		v.merged = append(v.merged, in)
	}
}

func byID(in *adsum.Instance, id string) int { return strings.Compare(in.ID, id) }

// printable makes a foreign node's path safe to print.
func printable(p string) string {
	quoted := fmt.Sprintf("%q", p)
	return quoted[1 : len(quoted)-1]
}
