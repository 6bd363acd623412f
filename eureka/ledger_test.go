package eureka

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

var (
	drained = adsum.Override{Status: adsum.Draining, Reason: "disk swap"}
	lighter = adsum.Override{Weight: 7}
)

// written is the ledger as it is read back from Eureka, and its lease.
func written(t *testing.T, b *ledger, now time.Time) (*ledger, time.Duration) {
	t.Helper()
	raw, err := b.encode("book", now)
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Instance json.RawMessage }
	var record struct{ LeaseInfo struct{ DurationInSecs int } }
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body.Instance, &record); err != nil {
		t.Fatal(err)
	}
	return decodeLedger(body.Instance), time.Duration(record.LeaseInfo.DurationInSecs) * time.Second
}

func TestALedgerTellsWhatIsInForceFromWhatWasUndone(t *testing.T) {
	now := time.Unix(1000, 0)
	b := newLedger()
	b.say("a", drained)
	b.say("b", lighter)
	b.say("a", lighter)
	b.say("c", drained)
	b.say("c", adsum.Override{})
	b.dirty = 5
	b, lasts := written(t, b, now)
	if all := b.inForce(); !maps.Equal(all, map[string]adsum.Override{"a": lighter, "b": lighter}) || b.dirty != 5 || lasts != ledgerLease {
		t.Errorf("in force are %v, version %d, for %v", all, b.dirty, lasts)
	}
	for id, want := range map[string]bool{"a": true, "c": true, "nobody": false} {
		if word, told := b.of(id); told != want || id == "c" && word != (adsum.Override{}) {
			t.Errorf("of %s it says %+v, %v", id, word, told)
		}
	}
	b.say("a", adsum.Override{})
	b.say("b", adsum.Override{})
	b, lasts = written(t, b, now.Add(undoneFor))
	if _, told := b.of("c"); !told || lasts != undoneFor {
		t.Errorf("with nothing in force it lasts %v; that c was undone it says: %v", lasts, told)
	}
	b, _ = written(t, b, now.Add(undoneFor+time.Second))
	if _, told := b.of("c"); told {
		t.Error("it never forgets what was undone")
	}
	if _, told := b.of("a"); !told {
		t.Error("it forgot too soon what was undone")
	}
}

func TestAnOperatorsWordIsSeenBesideTheOwners(t *testing.T) {
	in := full
	in.Status, in.Weight = adsum.Passing, 3
	for _, word := range []adsum.Override{{}, drained, lighter, {Status: adsum.Draining, Weight: 7}} {
		raw, err := encode(in, adsum.Claim{Owner: "o", Incarnation: 1}, word, time.Second, 1)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Instance json.RawMessage }
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		e, err := decode(in.Service, body.Instance, false)
		if err != nil {
			t.Fatal(err)
		}
		if want := word.Apply(in); !e.in.Equal(&want) || !e.said.Equal(&in) {
			t.Errorf("under %+v it is seen as %+v, and said %+v", word, e.in, e.said)
		}
		if (e.word == nil) != (word == adsum.Override{}) || e.word != nil && *e.word != word {
			t.Errorf("the word %+v is read as %+v", word, e.word)
		}
	}
}

func FuzzDecodeLedger(f *testing.F) {
	b := newLedger()
	b.say("a", drained)
	b.say("b", adsum.Override{})
	raw, err := b.encode("book", time.Unix(1000, 0))
	if err != nil {
		f.Fatal(err)
	}
	var body struct{ Instance json.RawMessage }
	if err := json.Unmarshal(raw, &body); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(body.Instance))
	f.Add([]byte(`{"metadata":{"adsum.overrides":"{\"words\":{\"a\\u001b\":{\"weight\":1},\"b\":{\"status\":\"passing\"}},\"undone\":null}"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := decodeLedger(raw)
		for id, word := range b.inForce() {
			if adsum.ValidateID(id) != nil || word.Validate() != nil {
				t.Errorf("in force is %+v on %q", word, id)
			}
		}
		b.say("new", lighter)
		b.say("old", adsum.Override{})
		if _, err := b.encode("book", time.Unix(1000, 0)); err != nil {
			t.Error(err)
		}
	})
}
