package eureka

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/adsum-go/adsum"
)

// withoutLedger serves one record, and refuses the ledgers.
func withoutLedger() http.HandlerFunc {
	var mu sync.Mutex
	var record []byte
	return func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case strings.Contains(q.URL.Path, ledgerApp):
			says(http.StatusForbidden, "")(w, q)
		case q.Method == http.MethodPost:
			record, _ = io.ReadAll(q.Body)
			says(http.StatusNoContent, "")(w, q)
		case record == nil:
			says(http.StatusNotFound, "")(w, q)
		default:
			says(http.StatusOK, string(record))(w, q)
		}
	}
}

func TestWithoutTheRightToOverridesInstancesRegister(t *testing.T) {
	base, _ := serve(t, withoutLedger())
	r, err := New([]string{base}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lease, err := r.Register(t.Context(), full, adsum.RegisterOptions{Claim: adsum.Claim{Owner: "o"}})
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Close(t.Context())
	if err := r.Override(t.Context(), full.Service, full.ID, drained); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("overriding without the right: %v", err)
	}
	if _, err := r.Overrides(t.Context(), full.Service); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("listing overrides without the right: %v", err)
	}
}

func TestAnOverrideThatDoesNotFitIsRefusedBeforeItIsSent(t *testing.T) {
	base, asked := serve(t, says(http.StatusOK, ""))
	r, err := New([]string{base}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, o := range []adsum.Override{
		{Status: adsum.Draining, Reason: strings.Repeat("磁盘", 700)},
		{Status: adsum.Passing},
		{Weight: -1},
	} {
		if err := r.Override(t.Context(), "book", "1", o); !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("%.40v: %v", o, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("it was sent all the same")
	}
}
