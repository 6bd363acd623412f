package eureka

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

// remembers serves the records that were posted, each under its path.
func remembers() http.HandlerFunc {
	var mu sync.Mutex
	records := map[string][]byte{}
	return func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		record, known := records[q.URL.Path]
		switch {
		case q.Method == http.MethodPost:
			body, _ := io.ReadAll(q.Body)
			var posted struct{ Instance struct{ InstanceID string } }
			_ = json.Unmarshal(body, &posted)
			records[q.URL.Path+"/"+posted.Instance.InstanceID] = body
			says(http.StatusNoContent, "")(w, q)
		case !known:
			says(http.StatusNotFound, "")(w, q)
		case q.Method == http.MethodGet:
			says(http.StatusOK, string(record))(w, q)
		default:
			says(http.StatusOK, "")(w, q)
		}
	}
}

// Of two peers, one may lose the record that had the word.
func TestAWordThatOnlyTheLedgerHasIsObeyedWithinATTL(t *testing.T) {
	base, _ := serve(t, remembers())
	r, err := New([]string{base}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in := adsum.Instance{ID: "1", Service: "book", Addr: "10.0.0.1:1"}.WithDefaults()
	got, err := r.Register(t.Context(), in, adsum.RegisterOptions{TTL: time.Hour, Claim: adsum.Claim{Owner: "o"}})
	if err != nil {
		t.Fatal(err)
	}
	l := got.(*lease)
	defer l.Close(t.Context())
	renew := func() {
		t.Helper()
		if err := l.renew(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	renew() // it asks, and nobody said anything
	if _, err := r.amend(t.Context(), in.Service, func(b *ledger) adsum.Override { b.say(in.ID, lighter); return lighter }); err != nil {
		t.Fatal(err)
	}
	for range looksPerTTL {
		renew()
	}
	if held, err := r.look(t.Context(), in.Service, in.ID); err != nil || held == nil || held.word == nil || *held.word != lighter {
		t.Errorf("after a TTL the record is %+v, %v", held, err)
	}
}
