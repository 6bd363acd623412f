package adsumhttp_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
)

// loads is a policy that hands on what servers tell, and asks the first endpoint
// with every call if it is told to.
type loads struct {
	told   chan lb.Load
	probes bool
	asked  *atomic.Int32 // how often that was possible
}

func newLoads(probes bool) loads { return loads{make(chan lb.Load, 100), probes, new(atomic.Int32)} }

func (loads) Name() string      { return "loads" }
func (loads) Needs() lb.Signals { return lb.Loads }
func (p loads) Build(env *lb.Env, eps []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return &loadsPicker{p, env, eps[0]}
}

type loadsPicker struct {
	loads
	env *lb.Env
	ep  *lb.Endpoint
}

func (p *loadsPicker) Pick(*lb.Call) *lb.Endpoint {
	if p.probes && p.env.Probe(p.ep) {
		p.asked.Add(1)
	}
	return p.ep
}

func (p *loadsPicker) Done(*lb.Endpoint, lb.Outcome) {}

func (p *loadsPicker) Loaded(_ *lb.Endpoint, load lb.Load) {
	select {
	case p.told <- load:
	default:
	}
}

func TestTheLoadOfAServerReachesThePolicyWithEveryAnswer(t *testing.T) {
	f := newFleet(t)
	meter := &load.Meter{Utilization: func() float64 { return 0.5 }}
	handler := adsumhttp.LoadHandler(names("one"), meter, nil)
	f.start("book", handler.ServeHTTP)
	f.see("book", 1)
	policy := newLoads(false)
	transport := f.transport(adsumhttp.WithPolicy(policy))
	under := meter.Begin()
	get(t, transport, "http://book/")
	under.Done(true)
	if l := <-policy.told; !l.Known || l.InFlight != 1 || l.Utilization != 0.5 {
		t.Errorf("told: %+v", l)
	}
}

func TestServersAnswerProbes(t *testing.T) {
	f := newFleet(t)
	meter := &load.Meter{}
	handler := adsumhttp.LoadHandler(answers(http.StatusOK), meter, nil)
	f.start("book", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != adsumhttp.LoadPath { // let only probes tell
			names("one")(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
	f.see("book", 1)
	under := meter.Begin()
	defer under.Done(true)
	policy := newLoads(true)
	get(t, f.transport(adsumhttp.WithPolicy(policy)), "http://book/")
	if l := <-policy.told; !l.Known || l.InFlight != 1 {
		t.Errorf("told when asked: %+v", l)
	}
}

func TestAServerThatAnswersNoProbesIsNotAskedAgain(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("one"))
	f.see("book", 1)
	policy := newLoads(true)
	transport := f.transport(adsumhttp.WithPolicy(policy))
	get(t, transport, "http://book/")
	for began := time.Now(); ; {
		before := policy.asked.Load()
		get(t, transport, "http://book/")
		if policy.asked.Load() == before {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("asked %d times", before)
		}
	}
}

// lasting answers "come back in half a minute" instead of in how many seconds the
// handler says; milliseconds stay as they are.
type lasting struct{ http.ResponseWriter }

func (l lasting) WriteHeader(status int) {
	if l.Header().Get("Retry-After") != "" {
		l.Header().Set("Retry-After", "30")
	}
	l.ResponseWriter.WriteHeader(status)
}

func TestAnOverloadedServerRefusesAndClientsGoElsewhere(t *testing.T) {
	f := newFleet(t)
	admission := &load.Admission{Limit: 1, RetryAfter: 20 * time.Millisecond}
	arrived, hold := make(chan struct{}), make(chan struct{})
	handler := adsumhttp.LoadHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-hold
		io.WriteString(w, "busy")
	}), &load.Meter{}, admission)
	busy := f.start("book", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/lasting" {
			w = lasting{w}
		}
		handler.ServeHTTP(w, r)
	})
	held := make(chan error, 1)
	go func() {
		resp, err := http.Get(busy.URL)
		if err == nil {
			resp.Body.Close()
		}
		held <- err
	}()
	<-arrived
	resp, err := http.Get(busy.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "1" || resp.Header.Get("Retry-After-Ms") != "20" ||
		!strings.Contains(string(body), "overloaded") || resp.Header.Get(load.Header) == "" {
		t.Errorf("%s, %v: %s", resp.Status, resp.Header, body)
	}
	f.start("book", names("idle"))
	f.see("book", 2)
	transport := f.transport()
	for range 4 { // who went by the seconds would leave the refusal to the caller
		if status, name := get(t, transport, "http://book/lasting"); status != http.StatusOK || name != "idle" {
			t.Errorf("%d, answered by %q", status, name)
		}
	}
	close(hold)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
}

func TestALoadHandlerLeavesTheServersAbilities(t *testing.T) {
	do := func(t *testing.T, handle http.HandlerFunc) (*http.Response, string) {
		srv := httptest.NewServer(adsumhttp.LoadHandler(handle, &load.Meter{}, &load.Admission{}))
		t.Cleanup(srv.Close)
		resp, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	for name, handle := range map[string]http.HandlerFunc{
		"nothing":  func(http.ResponseWriter, *http.Request) {},
		"a status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"an early hint": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			io.WriteString(w, "x")
		},
		"a flush":  func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
		"a copy":   func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, strings.NewReader("x")) },
		"a modern": func(w http.ResponseWriter, _ *http.Request) { http.NewResponseController(w).Flush() },
	} {
		if resp, body := do(t, handle); resp.Header.Get(load.Header) == "" {
			t.Errorf("%s: no report with %s %q", name, resp.Status, body)
		}
	}
	_, body := do(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhijacked")
	})
	if body != "hijacked" {
		t.Errorf("hijacked: %q", body)
	}
}
