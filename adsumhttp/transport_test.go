package adsumhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lb"
)

func TestTheHostOfAURLIsAService(t *testing.T) {
	f := newFleet(t)
	counts := map[string]int{}
	for i := range 3 {
		f.start("book", names(fmt.Sprint("copy ", i)))
	}
	f.see("book", 3)
	transport := f.transport()
	for range 9 {
		_, body := get(t, transport, "http://book/list")
		counts[body]++
	}
	for i := range 3 {
		if n := counts[fmt.Sprint("copy ", i)]; n != 3 {
			t.Errorf("copy %d answered %d of 9 calls, want 3: %v", i, n, counts)
		}
	}
}

func TestTheFirstCallWaitsForTheRegistryWithinItsContext(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("book"))
	f.registry.Server().Freeze()
	transport := f.transport()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://book/", nil)
	if _, err := transport.RoundTrip(req); !errors.Is(err, adsum.ErrNoSnapshot) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrNoSnapshot at the deadline", err)
	}
	f.registry.Server().Thaw()
	if _, body := get(t, transport, "http://book/"); body != "book" {
		t.Errorf("got %q", body)
	}
	f.registry.Server().Down()
	if _, body := get(t, transport, "http://book/"); body != "book" {
		t.Errorf("with the registry down got %q", body)
	}
}

func TestAHostThatIsNoServiceIsRefusedBeforeAnyIO(t *testing.T) {
	transport := newFleet(t).transport()
	for _, url := range []string{"http://127.0.0.1/", "http://[::1]/", "http://book:8080/", "ftp://book/", "http:///x", "http://b_%C3%A4/"} {
		req := &http.Request{Method: http.MethodGet, Header: http.Header{}, Body: newClosing("")}
		u, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL = u.URL
		if _, err := transport.RoundTrip(req); !errors.Is(err, adsumhttp.ErrNotService) {
			t.Errorf("%s: got %v, want ErrNotService", url, err)
		}
		if !req.Body.(*closing).closed.Load() {
			t.Errorf("%s: the body was left open", url)
		}
	}
}

func TestARequestWithoutAURLIsRefused(t *testing.T) {
	if _, err := newFleet(t).transport().RoundTrip(&http.Request{}); !errors.Is(err, adsumhttp.ErrNotService) {
		t.Errorf("got %v, want ErrNotService", err)
	}
}

func TestABaseTransportTakesWhatIsNoService(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("a copy"))
	var asked []string
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		asked = append(asked, req.URL.Host)
		return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody, Request: req}, nil
	})
	transport := f.transport(adsumhttp.WithBase(base))
	for _, host := range []string{"example.com", "localhost:80", "127.0.0.1"} {
		if status, _ := get(t, transport, "http://"+host+"/"); status != http.StatusTeapot {
			t.Errorf("%s: status %d", host, status)
		}
	}
	if _, body := get(t, transport, "http://book/"); body != "a copy" {
		t.Errorf("book: %q", body)
	}
	if len(asked) != 3 {
		t.Errorf("base was asked for %v", asked)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestNobodyToCallIsSaid(t *testing.T) {
	f := newFleet(t)
	transport := f.transport()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://nobody/", nil)
	if _, err := transport.RoundTrip(req); !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("got %v, want ErrNoEndpoint", err)
	}
}

func TestACopyThatRefusesConnectionsFailsNoCall(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("one"))
	f.start("book", names("two"))
	f.register(adsum.Instance{Service: "book", Addr: refused})
	f.see("book", 3)
	transport := f.transport()
	for i := range 30 {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			// The body cannot be had again: it must not have been touched.
			req, _ := http.NewRequestWithContext(t.Context(), method, "http://book/", newClosing("hello"))
			status, body := do(t, transport, req)
			if status != http.StatusOK || body != "one" && body != "two" {
				t.Fatalf("call %d, %s: %d %q", i, method, status, body)
			}
		}
	}
}

func TestOnlyWhatIsSafeIsSentAgain(t *testing.T) {
	plain := func(s string) io.Reader { return strings.NewReader(s) } // can be had again
	once := func(s string) io.Reader { return newClosing(s) }
	tests := []struct {
		name    string
		method  string
		header  string
		body    io.Reader
		handler http.HandlerFunc
		calls   int64 // what both copies see together
	}{
		{"GET", http.MethodGet, "", nil, breaks, 2},
		{"PUT", http.MethodPut, "", plain("x"), breaks, 2},
		{"PUT of a stream", http.MethodPut, "", once("x"), breaks, 1},
		{"POST", http.MethodPost, "", plain("x"), breaks, 1},
		{"POST with a key", http.MethodPost, "Idempotency-Key", plain("x"), breaks, 2},
		{"GET 503", http.MethodGet, "", nil, answers(503), 2},
		{"GET 502", http.MethodGet, "", nil, answers(502), 2},
		{"GET 504", http.MethodGet, "", nil, answers(504), 2},
		{"GET 500", http.MethodGet, "", nil, answers(500), 1},
		{"GET 404", http.MethodGet, "", nil, answers(404), 1},
		{"POST 503", http.MethodPost, "", plain("x"), answers(503), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFleet(t)
			var calls atomic.Int64
			handler := func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				test.handler(w, r)
			}
			f.start("book", handler)
			f.start("book", handler)
			f.see("book", 2)
			transport := f.transport(adsumhttp.WithRetry(lb.Retry{Max: 2}))
			req, _ := http.NewRequestWithContext(t.Context(), test.method, "http://book/", test.body)
			if test.header != "" {
				req.Header.Set(test.header, "7")
			}
			resp, err := transport.RoundTrip(req)
			if err == nil {
				resp.Body.Close()
			}
			var tries *lb.TriesError
			if err != nil && (!errors.As(err, &tries) || int64(len(tries.Tries)) != test.calls) {
				t.Errorf("got %v, want %d tries named", err, test.calls)
			}
			if got := calls.Load(); got != test.calls {
				t.Errorf("%d calls were seen, want %d", got, test.calls)
			}
		})
	}
}

func TestABodyIsSentAgainWhole(t *testing.T) {
	f := newFleet(t)
	var calls atomic.Int64
	echo := func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			breaks(w, r)
			return
		}
		io.Copy(w, r.Body)
	}
	f.start("book", echo)
	f.start("book", echo)
	f.see("book", 2)
	long := strings.Repeat("adsum ", 100_000)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://book/", strings.NewReader(long))
	if _, body := do(t, f.transport(), req); body != long {
		t.Errorf("%d bytes came back, want %d", len(body), len(long))
	}
}

func TestThe503OfEveryCopyIsTheCallersAnswer(t *testing.T) {
	f := newFleet(t)
	f.start("book", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "overloaded")
	})
	status, body := get(t, f.transport(), "http://book/")
	if status != http.StatusServiceUnavailable || body != "overloaded" {
		t.Errorf("got %d %q", status, body)
	}
}

func TestA503WhoseBodyHangsIsGivenUpForAnotherCopy(t *testing.T) {
	f := newFleet(t)
	var calls atomic.Int32
	handler := func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) > 1 {
			fmt.Fprint(w, "fine")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "so")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	f.start("book", handler)
	f.start("book", handler)
	f.see("book", 2)
	if status, body := get(t, f.transport(), "http://book/"); status != http.StatusOK || body != "fine" {
		t.Errorf("got %d %q", status, body)
	}
}

func TestALongRetryAfterIsLeftToTheCaller(t *testing.T) {
	f := newFleet(t)
	var calls atomic.Int64
	handler := func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	f.start("book", handler)
	f.start("book", handler)
	f.see("book", 2)
	if status, _ := get(t, f.transport(), "http://book/"); status != http.StatusServiceUnavailable || calls.Load() != 1 {
		t.Errorf("status %d after %d calls, want 503 after one", status, calls.Load())
	}
}

func TestAShortRetryAfterIsWaitedFor(t *testing.T) {
	f := newFleet(t)
	var calls atomic.Int64
	handler := func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "later")
	}
	f.start("book", handler)
	f.start("book", handler)
	f.see("book", 2)
	begun := time.Now()
	if status, body := get(t, f.transport(), "http://book/"); status != http.StatusOK || body != "later" || calls.Load() != 2 {
		t.Errorf("%d %q after %d calls, want the answer to a second one", status, body, calls.Load())
	}
	if took := time.Since(begun); took < time.Second {
		t.Errorf("sent again after %v, not after the second asked for", took)
	}
}

func TestATryThatHangsIsGivenUpForAnother(t *testing.T) {
	f := newFleet(t)
	var calls atomic.Int64
	handler := func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, "in time")
	}
	f.start("book", handler)
	f.start("book", handler)
	f.see("book", 2)
	// Long enough that the other copy answers in time on a machine that is busy.
	transport := f.transport(adsumhttp.WithRetry(lb.Retry{PerTry: time.Second}))
	if _, body := get(t, transport, "http://book/"); body != "in time" {
		t.Errorf("got %q", body)
	}
}

// The time of a try is that until the headers; the body takes what it takes.
func TestAStreamOutlivesTheTimeOfATry(t *testing.T) {
	f := newFleet(t)
	more := make(chan struct{})
	f.start("book", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "first")
		http.NewResponseController(w).Flush()
		<-more
		fmt.Fprintln(w, "second")
	})
	transport := f.transport(adsumhttp.WithRetry(lb.Retry{PerTry: 20 * time.Second, Timeout: 20 * time.Second}))
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "first" {
		t.Fatalf("got %q, %v", lines.Text(), lines.Err())
	}
	close(more) // RoundTrip returned: the contexts of its tries are over
	if !lines.Scan() || lines.Text() != "second" {
		t.Errorf("got %q, %v", lines.Text(), lines.Err())
	}
}

func TestACallerThatGoesAwayEndsTheCallAndBlamesNobody(t *testing.T) {
	f := newFleet(t)
	entered := make(chan struct{})
	f.start("book", func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	policy := &recorder{}
	transport := f.transport(adsumhttp.WithPolicy(policy))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://book/", nil)
	if _, err := transport.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the cancellation", err)
	}
	if got := policy.results(); len(got) != 1 || got[0] != lb.Ignored {
		t.Errorf("outcomes %v, want one that is ignored", got)
	}
}

func TestOutcomesTellFailuresFromAnswers(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    lb.Result
	}{
		{"200", names("fine"), lb.Success},
		{"404", answers(404), lb.Success},
		{"500", answers(500), lb.Failure},
		{"broken", breaks, lb.Failure},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFleet(t)
			f.start("book", test.handler)
			policy := &recorder{}
			transport := f.transport(adsumhttp.WithPolicy(policy), adsumhttp.WithRetry(lb.Retry{Max: 1}))
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
			if resp, err := transport.RoundTrip(req); err == nil {
				resp.Body.Close()
			}
			if got := policy.results(); len(got) != 1 || got[0] != test.want {
				t.Errorf("outcomes %v, want %v", got, test.want)
			}
		})
	}
}

func TestACallIsInFlightUntilItsBodyIsClosed(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("a body"))
	policy := &recorder{}
	transport := f.transport(adsumhttp.WithPolicy(policy))
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	ep := adsumhttp.EndpointOf(resp)
	if ep == nil || ep.InFlight() != 1 || len(policy.results()) != 0 {
		t.Fatalf("%v: want one call in flight and no outcome", ep)
	}
	resp.Body.Close()
	resp.Body.Close()
	if ep.InFlight() != 0 || len(policy.results()) != 1 {
		t.Errorf("%d in flight, outcomes %v; want the call done once", ep.InFlight(), policy.results())
	}
}

func TestAReaderThatIsStoppedByClosingTheBodyBlamesNobody(t *testing.T) {
	f := newFleet(t)
	f.start("book", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "first")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	policy := &recorder{}
	transport := f.transport(adsumhttp.WithPolicy(policy))
	for range 20 {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		started, stopped := make(chan struct{}), make(chan error)
		go func() {
			_, err := resp.Body.Read(make([]byte, 100))
			close(started)
			for err == nil {
				_, err = resp.Body.Read(make([]byte, 100))
			}
			stopped <- err
		}()
		<-started
		resp.Body.Close()
		if err := <-stopped; err == io.EOF {
			t.Fatal("the stream ended by itself")
		}
	}
	for i, result := range policy.results() {
		if result != lb.Success {
			t.Errorf("outcome %d is %v, want a success", i, result)
		}
	}
}

type byValue struct {
	context.Context
	values map[string]string
}

func TestAContextMayBeOfAnyType(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("fine"))
	ctx := byValue{t.Context(), map[string]string{"a": "b"}} // not to be compared
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://book/", nil)
	if status, body := do(t, f.transport(), req); status != http.StatusOK || body != "fine" {
		t.Errorf("got %d %q", status, body)
	}
}

// recorder is a policy that remembers the outcomes.
type recorder struct {
	mu   sync.Mutex
	seen []lb.Result
}

func (r *recorder) results() []lb.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]lb.Result(nil), r.seen...)
}

func (*recorder) Name() string      { return "recorder" }
func (*recorder) Needs() lb.Signals { return lb.InFlight | lb.Latency }
func (r *recorder) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return recording{r, endpoints[0]}
}

type recording struct {
	*recorder
	ep *lb.Endpoint
}

func (p recording) Pick(*lb.Call) *lb.Endpoint { return p.ep }
func (p recording) Done(_ *lb.Endpoint, o lb.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, o.Result)
}

func TestAnInvalidRequestBlamesNobodyAndIsSentNowhere(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("book"))
	policy := &recorder{}
	transport := f.transport(adsumhttp.WithPolicy(policy))
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
	req.Header["Bad Header"] = []string{"x"}
	var tries *lb.TriesError
	if _, err := transport.RoundTrip(req); err == nil || errors.As(err, &tries) {
		t.Errorf("got %v, want the one error as it is", err)
	}
	if got := policy.results(); len(got) != 1 || got[0] != lb.Ignored {
		t.Errorf("outcomes %v, want one that is ignored", got)
	}
}

func TestAServerThatClosesItsIdleConnectionsFailsNoCall(t *testing.T) {
	f := newFleet(t)
	srv := f.start("book", names("book"))
	transport := f.transport()
	for i := range 50 {
		if _, body := get(t, transport, "http://book/"); body != "book" {
			t.Fatalf("call %d: %q", i, body)
		}
		srv.CloseClientConnections()
	}
}

func TestAServerKilledInFlightCostsOnlyWhatIsNotSafeToRepeat(t *testing.T) {
	f := newFleet(t)
	entered := make(chan struct{}, 2)
	victim := f.start("book", func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	})
	f.start("book", names("the other"))
	f.see("book", 2)
	transport := f.transport(adsumhttp.WithPolicy(prefer{victim.Listener.Addr().String()}))

	type result struct {
		body string
		err  error
	}
	call := func(method string) chan result {
		c := make(chan result, 1)
		req, _ := http.NewRequestWithContext(t.Context(), method, "http://book/", nil)
		go func() {
			resp, err := transport.RoundTrip(req)
			if err != nil {
				c <- result{err: err}
				return
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			c <- result{string(body), err}
		}()
		return c
	}
	safe, unsafe := call(http.MethodGet), call(http.MethodPost)
	<-entered
	<-entered
	victim.Listener.Close()
	victim.CloseClientConnections()
	if r := <-safe; r.err != nil || r.body != "the other" {
		t.Errorf("GET: %q, %v", r.body, r.err)
	}
	if r := <-unsafe; r.err == nil {
		t.Errorf("POST was sent again, and got %q", r.body)
	}
}

// prefer picks the endpoint at an address as long as it may.
type prefer struct{ addr string }

func (prefer) Name() string { return "prefer" }
func (p prefer) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	for _, ep := range endpoints {
		if ep.Addr() == p.addr {
			return always{ep}
		}
	}
	return always{endpoints[0]}
}

type always struct{ ep *lb.Endpoint }

func (p always) Pick(*lb.Call) *lb.Endpoint { return p.ep }

func TestPinnedCallsKeepToOneCopy(t *testing.T) {
	f := newFleet(t)
	for i := range 4 {
		f.start("book", names(fmt.Sprint(i)))
	}
	f.see("book", 4)
	transport := f.transport()
	ctx := lb.Pin(t.Context())
	seen := map[string]bool{}
	for range 8 {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://book/", nil)
		_, body := do(t, transport, req)
		seen[body] = true
	}
	if len(seen) != 1 {
		t.Errorf("pinned calls went to %d copies", len(seen))
	}
}

func TestWhoAnsweredCanBeAsked(t *testing.T) {
	f := newFleet(t)
	srv := f.start("book", names("book"))
	client := &http.Client{Transport: f.transport(), Timeout: time.Minute} // which wraps the body
	resp, err := client.Get("http://book/list")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if ep := adsumhttp.EndpointOf(resp); ep == nil || ep.Addr() != srv.Listener.Addr().String() {
		t.Errorf("got %v, want %v", ep, srv.Listener.Addr())
	}
	if resp.Request.URL.Host != "book" {
		t.Errorf("the response's request is for %s", resp.Request.URL)
	}
	if ep := adsumhttp.EndpointOf(&http.Response{}); ep != nil {
		t.Errorf("a response from elsewhere came from %v", ep)
	}
}

func TestTheHostHeaderIsTheServiceUnlessSet(t *testing.T) {
	f := newFleet(t)
	f.start("book", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
	tests := []struct {
		opts []adsumhttp.Option
		host string
		want string
	}{
		{nil, "", "book"},
		{nil, "shop.example", "shop.example"},
		{[]adsumhttp.Option{adsumhttp.WithHost(func(s string) string { return s + ".internal" })}, "", "book.internal"},
	}
	for _, test := range tests {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
		if test.host != "" {
			req.Host = test.host
		}
		if _, got := do(t, f.transport(test.opts...), req); got != test.want {
			t.Errorf("Host %q, want %q", got, test.want)
		}
	}
}

func TestTheCallersTraceGoesOn(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("book"))
	var got atomic.Bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { got.Store(true) }})
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://book/", nil)
	do(t, f.transport(), req)
	if !got.Load() {
		t.Error("the caller's own trace was not called")
	}
}

func TestAProtocolMayBeSwitched(t *testing.T) {
	f := newFleet(t)
	f.start("book", func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(rw, "echo "+line)
		rw.Flush()
	})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := f.transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	w, ok := resp.Body.(io.Writer)
	if !ok {
		t.Fatalf("status %d, and the body %T cannot be written", resp.StatusCode, resp.Body)
	}
	fmt.Fprintln(w, "hello")
	if got, _ := io.ReadAll(resp.Body); string(got) != "echo hello\n" {
		t.Errorf("got %q", got)
	}
}

func TestASecureCopyIsNeverCalledInClear(t *testing.T) {
	f := newFleet(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%v %s %s", r.TLS != nil, r.TLS.ServerName, r.Proto)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()
	f.register(adsum.Instance{Service: "secure", Addr: addr, Endpoints: map[string]string{"https": addr}})
	f.register(adsum.Instance{Service: "plain", Addr: addr})
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	transport := f.transport(
		adsumhttp.WithTLSConfig(&tls.Config{RootCAs: roots}),
		adsumhttp.WithServerName(func(string) string { return "example.com" })) // what httptest's certificate bears
	for _, url := range []string{"http://secure/", "https://secure/", "https://plain/"} {
		if _, body := get(t, transport, url); body != "true example.com HTTP/2.0" {
			t.Errorf("%s: %q", url, body)
		}
	}
}

func TestACertificateMustBearTheServicesName(t *testing.T) {
	f := newFleet(t)
	srv := httptest.NewUnstartedServer(names("book"))
	srv.Config.ErrorLog = quietLog
	srv.StartTLS()
	t.Cleanup(srv.Close)
	f.register(adsum.Instance{Service: "book", Addr: srv.Listener.Addr().String()})
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://book/", nil)
	_, err := f.transport(adsumhttp.WithTLSConfig(&tls.Config{RootCAs: roots})).RoundTrip(req)
	var wrong x509.HostnameError
	if !errors.As(err, &wrong) || wrong.Host != "book" {
		t.Errorf("got %v, want the name book refused", err)
	}
}

func TestAServiceNobodyCallsIsLetGo(t *testing.T) {
	f := newFleet(t)
	f.dir = adsum.NewDirectory(f.registry, adsum.WithLogger(quiet), adsum.WithIdleTimeout(time.Millisecond))
	t.Cleanup(func() { f.dir.Close() })
	f.start("book", names("book"))
	transport := f.transport(adsumhttp.WithIdleTimeout(20 * time.Millisecond))
	get(t, transport, "http://book/")
	waitFor(t, "the watch to end", func() bool { return f.registry.Server().Watches() == 0 })
	if _, body := get(t, transport, "http://book/"); body != "book" {
		t.Errorf("called again: %q", body)
	}
}

func TestACallUnderWayKeepsItsService(t *testing.T) {
	f := newFleet(t)
	release := make(chan struct{})
	f.start("book", func(w http.ResponseWriter, _ *http.Request) {
		<-release
		fmt.Fprint(w, "at last")
	})
	transport := f.transport(adsumhttp.WithIdleTimeout(time.Millisecond))
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	if _, body := get(t, transport, "http://book/"); body != "at last" {
		t.Errorf("got %q", body)
	}
}

func TestAClosedTransportRefusesCalls(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("book"))
	transport := f.transport()
	get(t, transport, "http://book/")
	transport.CloseIdleConnections()
	get(t, transport, "http://book/")
	for range 2 {
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://book/", newClosing("x"))
	if _, err := transport.RoundTrip(req); !errors.Is(err, adsum.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestRequestBodiesAreClosedHoweverTheCallEnds(t *testing.T) {
	f := newFleet(t)
	f.start("fine", names("fine"))
	f.start("broken", breaks)
	f.start("deaf", answers(http.StatusRequestEntityTooLarge))
	f.register(adsum.Instance{Service: "refused", Addr: refused})
	transport := f.transport()
	for _, service := range []string{"fine", "broken", "deaf", "refused", "nobody", "bad/name"} {
		body := newClosing(strings.Repeat("x", 1<<20))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+service+"/", body)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := transport.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
		waitFor(t, service+": the body to be closed", body.closed.Load)
	}
}

// closing is a body that cannot be had again and tells when it is closed.
type closing struct {
	io.Reader
	closed atomic.Bool
}

func newClosing(s string) *closing { return &closing{Reader: bytes.NewBufferString(s)} }

func (c *closing) Close() error {
	c.closed.Store(true)
	return nil
}

// waitFor asks until the answer is yes, for what happens on goroutines that
// tell nobody.
func waitFor(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Copies come and go under load, and no call fails.
func TestNoCallFailsWhileCopiesComeAndGo(t *testing.T) {
	f := newFleet(t)
	f.start("book", names("steady"))
	f.see("book", 1)
	transport := f.transport()
	stop := make(chan struct{})
	var calling sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		calling.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				req, _ := http.NewRequest(http.MethodGet, "http://book/", nil)
				resp, err := transport.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				calls.Add(1)
			}
		})
	}
	more := func() {
		before := calls.Load()
		waitFor(t, "some calls", func() bool { return calls.Load() > before+20 })
	}
	for range 10 { // in order
		srv := httptest.NewServer(names("passing"))
		reg := f.register(adsum.Instance{Service: "book", Addr: srv.Listener.Addr().String()})
		f.see("book", 2)
		more()
		if err := reg.Close(t.Context()); err != nil {
			t.Error(err)
		}
		f.see("book", 1)
		more()
		srv.Close()
	}
	killed := f.start("book", names("killed"))
	f.see("book", 2)
	more()
	killed.Listener.Close()
	killed.CloseClientConnections()
	more()
	close(stop)
	calling.Wait()
}
