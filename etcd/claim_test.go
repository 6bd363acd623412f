package etcd

import (
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// record is what an owner wrote at a revision, under a lease.
func record(t *testing.T, owner string, incarnation uint64, revision, lease int64) *mvccpb.KeyValue {
	t.Helper()
	in := adsum.Instance{Service: "book", ID: "i1", Addr: "10.0.0.1:80"}
	value, err := codec.Naming.Encode(codec.Record{Instance: in, Claim: adsum.Claim{Owner: owner, Incarnation: incarnation}})
	if err != nil {
		t.Fatal(err)
	}
	return &mvccpb.KeyValue{Value: value, ModRevision: revision, Lease: lease}
}

func TestTheYoungerOfTwoOwnersWins(t *testing.T) {
	foreign := &mvccpb.KeyValue{Value: []byte("10.0.0.1:80"), ModRevision: 60, Lease: 9}
	for _, test := range []struct {
		name        string
		now         int64 // the registry's revision
		holder      *mvccpb.KeyValue
		incarnation uint64 // of the claim; 0 is a first one
		want        uint64 // 0: superseded
	}{
		{"first claim of an empty place", 50, nil, 0, 51},
		{"first claim over an older one", 50, record(t, "b", 40, 41, 9), 0, 51},
		{"first claim over one from before a wipe", 50, record(t, "b", 4000, 41, 9), 0, 4001},
		{"first claim over a foreign record", 70, foreign, 0, 71},
		{"first claim over a hostile number", 50, record(t, "b", 1<<64-1, 41, 9), 0, 51},
		{"return to an empty place", 50, nil, 20, 20},
		{"return to one's own record", 50, record(t, "a", 20, 21, 9), 20, 20},
		{"return to an older owner's", 50, record(t, "b", 10, 45, 9), 20, 20},
		{"return to a younger owner's", 50, record(t, "b", 40, 41, 9), 20, 0},
		{"return to a foreign record", 70, foreign, 20, 0},
		{"return to a record that nobody keeps", 50, record(t, "b", 40, 41, 0), 20, 20},
		{"return after a wipe to an older owner who came back too", 50, record(t, "b", 3000, 41, 9), 4000, 4000},
		{"return after a wipe to a younger owner who came back too", 50, record(t, "b", 5000, 41, 9), 4000, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &Registry{tenures: map[string]tenure{}}
			got, err := r.arbitrate(t.Context(), place{revision: test.now, public: test.holder}, adsum.Claim{Owner: "a", Incarnation: test.incarnation})
			if superseded := errors.Is(err, adsum.ErrSuperseded); superseded != (test.want == 0) {
				t.Fatalf("got %v, %v", got, err)
			}
			if test.want != 0 && got.Incarnation != test.want {
				t.Errorf("incarnation %d, want %d", got.Incarnation, test.want)
			}
		})
	}
}

func TestTheNewerOfTwoRecordsHoldsTheID(t *testing.T) {
	p := place{public: record(t, "a", 10, 11, 5), record: record(t, "b", 20, 21, 6)}
	if h := p.holder(); h.claim.Owner != "b" || h.lease != 6 {
		t.Errorf("got %+v", h)
	}
}

func TestALeaseIsJudgedByWhatLiesAtItsKeys(t *testing.T) {
	value := []byte("v")
	for _, test := range []struct {
		name string
		held values
		is   place
		want error
	}{
		{"all well", values{public: value}, place{public: &mvccpb.KeyValue{Lease: 7}}, nil},
		{"hidden and well", values{record: value}, place{record: &mvccpb.KeyValue{Lease: 7}}, nil},
		{"deleted", values{public: value}, place{}, adsum.ErrLeaseLost},
		{"taken off its lease", values{public: value}, place{public: &mvccpb.KeyValue{}}, adsum.ErrLeaseLost},
		{"overwritten", values{public: value}, place{public: &mvccpb.KeyValue{Lease: 8, ModRevision: 60}}, adsum.ErrSuperseded},
		{"hidden and overwritten in public", values{record: value}, place{public: &mvccpb.KeyValue{Lease: 8, ModRevision: 60}}, adsum.ErrSuperseded},
		{"moved by a write whose answer was lost", values{public: value}, place{record: &mvccpb.KeyValue{Lease: 7}}, nil},
		{"companion deleted", values{public: value, record: value}, place{public: &mvccpb.KeyValue{Lease: 7}}, nil},
		{"both deleted", values{public: value, record: value}, place{}, adsum.ErrLeaseLost},
		{"holding nothing, without a right to the private part", values{}, place{}, nil},
		{"overwritten by an older owner, restored from a backup", values{public: value}, place{public: record(t, "b", 10, 11, 8)}, adsum.ErrLeaseLost},
		{"back on an own lease of before, restored from a backup", values{public: value}, place{public: record(t, "a", 50, 60, 8)}, adsum.ErrLeaseLost},
	} {
		l := &lease{id: 7, held: test.held, claim: adsum.Claim{Owner: "a", Incarnation: 50}}
		if err := l.verdict(test.is); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}
