package eureka

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/adsum-go/adsum"
)

// single serves one record, unless it is out of order.
type single struct {
	broken atomic.Bool

	mu     sync.Mutex
	record []byte
}

func (s *single) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken.Load():
		says(http.StatusServiceUnavailable, "")(w, q)
	case strings.Contains(q.URL.Path, ledgerApp):
		says(http.StatusNotFound, "")(w, q)
	case q.Method == http.MethodPost:
		s.record, _ = io.ReadAll(q.Body)
		says(http.StatusNoContent, "")(w, q)
	case s.record == nil:
		says(http.StatusNotFound, "")(w, q)
	case q.Method == http.MethodDelete && !strings.HasSuffix(q.URL.Path, "/status"):
		s.record = nil
		says(http.StatusOK, "")(w, q)
	default:
		says(http.StatusOK, string(s.record))(w, q)
	}
}

func (s *single) holds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record != nil
}

func TestClosingALeaseThatWasLostInAnOutageWithdrawsTheRecord(t *testing.T) {
	s := &single{}
	base, _ := serve(t, s.ServeHTTP)
	r, err := New([]string{base}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	claim := adsum.Claim{Owner: "o"}
	register := func() *lease {
		t.Helper()
		l, err := r.Register(t.Context(), full, adsum.RegisterOptions{Claim: claim})
		if err != nil {
			t.Fatal(err)
		}
		claim = l.Claim()
		return l.(*lease)
	}

	lost := register()
	lost.lose(adsum.ErrLeaseLost) // as when no server answered for a whole TTL
	s.broken.Store(true)
	if err := lost.Close(t.Context()); err == nil {
		t.Error("closed without an error, while no server answers")
	}
	s.broken.Store(false)

	lost = register()
	lost.lose(adsum.ErrLeaseLost)
	if err := lost.Close(t.Context()); err != nil || s.holds() {
		t.Errorf("closed: %v, the record is still there: %v", err, s.holds())
	}

	lost = register()
	lost.lose(adsum.ErrLeaseLost)
	again := register()
	defer again.Close(t.Context())
	if err := lost.Close(t.Context()); err != nil || !s.holds() {
		t.Errorf("closed: %v, the record of the next lease is still there: %v", err, s.holds())
	}
}
