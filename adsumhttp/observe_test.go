package adsumhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lb"
)

// witness keeps what an observer is told.
type witness struct {
	lb.Clients
	mu    sync.Mutex
	ended []lb.Ended
}

func (w *witness) CallEnded(_ context.Context, call lb.Ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, call)
}

// only returns the one call that ended since it was asked last.
func (w *witness) only(t *testing.T) lb.Ended {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.ended
	w.ended = nil
	if len(calls) != 1 {
		t.Fatalf("%d calls ended, want 1: %+v", len(calls), calls)
	}
	return calls[0]
}

func TestAnObserverIsToldOfEveryCallOnce(t *testing.T) {
	f := newFleet(t)
	w := &witness{}
	transport := f.transport(adsumhttp.WithObserver(w), adsumhttp.WithPolicy(lb.RoundRobin))
	good := f.start("book", names("good")).Listener.Addr().String()
	f.see("book", 1)

	nameless, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
	nameless.Method = "" // which means GET
	do(t, transport, nameless)
	call := w.only(t)
	if call.Err != nil || call.Code != http.StatusOK || call.Tries != 1 || call.Endpoint.Addr() != good || call.Result != lb.Success {
		t.Errorf("an answer: %+v", call)
	}
	if call.Transport != "http" || call.Service != "book" || call.Method != http.MethodGet || call.Latency <= 0 {
		t.Errorf("whose it was: %+v", call)
	}
	also := f.start("film", names("also")).Listener.Addr().String()
	f.register(adsum.Instance{Service: "film", Addr: refused})
	f.see("film", 2)
	tries := 0
	for range 2 {
		get(t, transport, "http://film/")
		call := w.only(t)
		if call.Err != nil || call.Endpoint.Addr() != also {
			t.Errorf("where one copy refuses: %+v", call)
		}
		tries += call.Tries
	}
	if tries < 3 {
		t.Errorf("two calls in turn were tried %d times, with one of two copies refusing", tries)
	}
	f.start("shelf", answers(http.StatusInternalServerError))
	f.see("shelf", 1)
	get(t, transport, "http://shelf/")
	if call := w.only(t); call.Err != nil || call.Code != http.StatusInternalServerError || call.Result != lb.Failure {
		t.Errorf("an answer that is a failure: %+v", call)
	}

	stats := transport.Stats()
	if len(stats) != 3 || stats[0].Service != "book" || stats[1].Service != "film" || stats[2].Service != "shelf" {
		t.Fatalf("got %+v", stats)
	}
	retries := uint64(tries - 2)
	for i, want := range []lb.CallStats{{Calls: 1, Picks: 1}, {Calls: 2, Picks: 2 + retries, Retries: retries}, {Calls: 1, Failures: 1, Picks: 1}} {
		if got := stats[i]; got.Calls != want || got.Budget.Calls != 4 || got.Balancer.Endpoints == 0 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if seen := w.Stats(); len(seen) != 3 || seen[0].Calls != stats[0].Calls {
		t.Errorf("the observer sees %+v", seen)
	}
	transport.Close()
	if seen := w.Stats(); len(seen) != 0 {
		t.Errorf("after it was closed: %+v", seen)
	}
}

func TestCallsThatFindNobodyOrWereGivenUpAreCountedApart(t *testing.T) {
	f := newFleet(t)
	w := &witness{}
	transport := f.transport(adsumhttp.WithObserver(w))
	f.see("book", 0)
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
	if _, err := transport.RoundTrip(req); !errors.Is(err, lb.ErrNoEndpoint) {
		t.Fatal(err)
	}
	if call := w.only(t); !errors.Is(call.Err, lb.ErrNoEndpoint) || call.Endpoint != nil || call.Code != 0 {
		t.Errorf("with nobody there: %+v", call)
	}
	gone, cancel := context.WithCancel(t.Context())
	f.start("shelf", func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done() // an answer could come before the caller saw that
	})
	f.see("shelf", 1)
	req = httptest.NewRequestWithContext(gone, http.MethodGet, "http://shelf/", nil)
	if _, err := transport.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if call := w.only(t); call.Result != lb.Ignored {
		t.Errorf("given up: %+v", call)
	}
	for i, want := range []lb.CallStats{{Calls: 1, NoEndpoint: 1}, {Calls: 1, Picks: 1}} {
		if got := transport.Stats()[i].Calls; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestTheAdminHandlerShowsWhatThereIs(t *testing.T) {
	f := newFleet(t)
	f.registry.Server().Down()
	view, err := f.dir.Open("book")
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	more := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("numbers")) })
	admin := adsumhttp.Admin([]adsumhttp.Check{adsumhttp.SyncedAll(f.dir)}, map[string]http.Handler{"/metrics": more})
	expect := func(path string, status int, text string) {
		t.Helper()
		answer := httptest.NewRecorder()
		admin.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		if answer.Code != status || !strings.Contains(answer.Body.String(), text) {
			t.Errorf("%s: %d %q, want %d %q", path, answer.Code, answer.Body, status, text)
		}
	}
	expect("/", http.StatusOK, "/healthz\n/metrics\n/readyz\n")
	expect("/metrics", http.StatusOK, "numbers")
	expect("/healthz", http.StatusOK, "ok")
	expect("/nothing", http.StatusNotFound, "")
	expect("/readyz", http.StatusServiceUnavailable, adsum.ErrNoSnapshot.Error())
	f.registry.Server().Up()
	if err := view.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("/readyz", http.StatusOK, "1 services watched\n")
	f.registry.Server().Down()
	for changed := view.Changed(); !view.Snapshot().Stale(); changed = view.Changed() {
		<-changed
	}
	expect("/readyz", http.StatusOK, "book stale since ")
}
