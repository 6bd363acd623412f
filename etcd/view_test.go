package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// world is a view and what it emitted last.
type world struct {
	*view
	last adsum.Listing
	now  int64 // the registry's revision
}

func newWorld(t testing.TB) *world {
	t.Helper()
	l, err := newLayout("", "/services")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	w.view = newView(l, "book", func(listing adsum.Listing) { w.last = listing })
	return w
}

const (
	publicKey   = "/services/book/i1"
	recordKey   = "/adsum/v1/services/book/i1/record"
	overrideKey = "/adsum/v1/services/book/i1/override"
)

// put applies one revision that writes a key.
func (w *world) put(key, value string) *world {
	w.now++
	w.apply(&mvccpb.Event{Type: mvccpb.Event_PUT, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: w.now}})
	return w
}

func (w *world) del(key string) *world {
	w.now++
	return w.delAt(key, w.now)
}

func (w *world) delAt(key string, revision int64) *world {
	w.apply(&mvccpb.Event{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}})
	return w
}

// shows emits and compares the instances, each as "id status weight".
func (w *world) shows(t *testing.T, want ...string) {
	t.Helper()
	w.emit()
	var got []string
	for _, in := range w.last.Instances {
		got = append(got, fmt.Sprintf("%s %s %d", in.ID, in.Status, in.Weight))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func native(t testing.TB, in adsum.Instance) string {
	t.Helper()
	in.Service, in.ID, in.Addr = "book", "i1", "10.0.0.1:80"
	value, err := codec.Native.Encode(codec.Record{Instance: in})
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func TestPrivateRecordTellsMoreThanThePublicOneOfItsTransaction(t *testing.T) {
	w := newWorld(t)
	for weight := range 3 { // each change is seen public part first
		w.put(publicKey, "10.0.0.1:80")
		if !w.torn() {
			t.Error("a bare address is taken for the whole record")
		}
		w.now--
		w.put(recordKey, native(t, adsum.Instance{Weight: weight + 5}))
		if w.torn() {
			t.Error("still torn when both halves are there")
		}
		w.shows(t, fmt.Sprintf("i1 passing %d", weight+5))
	}
	w.put(publicKey, "10.0.0.1:80") // a foreign program took it over
	w.mend(w.now)
	w.shows(t, "i1 passing 1")
}

func TestAMoveSeenHalfIsTornUntilTheOtherHalfComes(t *testing.T) {
	w := newWorld(t)
	w.put(publicKey, "10.0.0.1:80").shows(t, "i1 passing 1")
	w.del(publicKey)
	if !w.torn() {
		t.Error("a deletion alone is taken for the whole transaction")
	}
	w.now--
	w.put(recordKey, native(t, adsum.Instance{Status: adsum.Critical}))
	if w.torn() {
		t.Error("still torn when both halves are there")
	}
	w.shows(t, "i1 critical 1")

	// The other way round, and with the halves swapped.
	w.put(publicKey, "10.0.0.1:80").delAt(recordKey, w.now)
	if w.torn() {
		t.Error("torn although the arrival came first")
	}
	w.shows(t, "i1 passing 1")
}

func TestADeletionIsBelievedOnceTheStreamIsPastIt(t *testing.T) {
	w := newWorld(t)
	w.put(publicKey, "10.0.0.1:80").shows(t, "i1 passing 1")
	w.del(publicKey)
	w.mend(w.now - 1)
	if !w.torn() {
		t.Error("mended by an older revision")
	}
	w.mend(w.now)
	if w.torn() {
		t.Error("not mended by its own revision")
	}
	w.shows(t)
	if w.last.Sequence != uint64(w.now) {
		t.Errorf("sequence %d at revision %d", w.last.Sequence, w.now)
	}
}

func TestOverridesAreMergedAndUndone(t *testing.T) {
	w := newWorld(t)
	w.put(overrideKey, `{"status":"draining","weight":9,"reason":"upgrade"}`).shows(t)
	w.put(publicKey, "10.0.0.1:80").shows(t, "i1 draining 9")
	if in := w.last.Instances[0]; in.Reported != adsum.Passing || in.Reason != "upgrade" {
		t.Errorf("got %+v", in)
	}
	w.del(overrideKey).shows(t, "i1 passing 1")
}

func TestBrokenNeighboursAreNamedAndHideNobody(t *testing.T) {
	w := newWorld(t)
	w.put(publicKey, "10.0.0.1:80").put("/services/book/bad\x1b", "{").put(overrideKey, `{"weight":-1}`).shows(t, "i1 passing 1")
	var skipped []string
	for _, s := range w.last.Skipped {
		skipped = append(skipped, s.Key)
	}
	if want := []string{overrideKey, `/services/book/bad\x1b`}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %q, want %q", skipped, want)
	}
	w.del("/services/book/bad\x1b").put(overrideKey, `{"weight":2}`)
	w.mend(w.now)
	w.shows(t, "i1 passing 2")
	if len(w.last.Skipped) != 0 {
		t.Errorf("still skipped: %v", w.last.Skipped)
	}
}

func TestUnchangedInstancesKeepTheirPointers(t *testing.T) {
	w := newWorld(t)
	for i := range 100 {
		w.put(fmt.Sprintf("/services/book/10.0.0.1:%d", 1000+i), fmt.Sprintf("10.0.0.1:%d", 1000+i))
	}
	w.emit()
	before := w.last.Instances
	if len(before) != 100 || !slices.IsSortedFunc(before, func(a, b *adsum.Instance) int { return strings.Compare(a.ID, b.ID) }) {
		t.Fatalf("%d instances, or not sorted", len(before))
	}
	w.put("/services/book/10.0.0.1:1050", "10.0.0.1:1050") // says the same
	w.put("/services/book/10.0.0.1:1060", "10.0.0.2:1060")
	w.emit()
	for i, in := range w.last.Instances {
		if same := in == before[i]; same != (in.ID != "10.0.0.1:1060") {
			t.Errorf("%s: same pointer: %t", in, same)
		}
	}
	clear(before)
	w.emit()
	if w.last.Instances[0] == nil {
		t.Error("the receiver's slice is shared")
	}
}

func BenchmarkOneChangeOf(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			for i := range n {
				w.put(fmt.Sprintf("/services/book/10.0.0.%d:%d", i/1000, 1000+i%1000), fmt.Sprintf("10.0.0.%d:%d", i/1000, 1000+i%1000))
			}
			w.emit()
			values := []string{native(b, adsum.Instance{Weight: 1}), native(b, adsum.Instance{Weight: 2})}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				w.put("/services/book/10.0.0.0:1005", values[i%2])
				w.emit()
			}
		})
	}
}
