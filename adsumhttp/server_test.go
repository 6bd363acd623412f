package adsumhttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lifecycle"
)

var quietLog = log.New(io.Discard, "", 0)

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// served is a server run by Serve.
type served struct {
	end      context.CancelFunc
	returned chan error
	reg      chan *adsum.Registration
}

func (f *fleet) serve(srv *http.Server, opts ...lifecycle.Option) *served {
	f.t.Helper()
	ctx, end := context.WithCancel(context.Background())
	s := &served{end: end, returned: make(chan error, 1), reg: make(chan *adsum.Registration, 1)}
	l := listen(f.t)
	opts = append([]lifecycle.Option{
		lifecycle.WithLogger(quiet), lifecycle.WithSignals(), lifecycle.WithDrainDelay(300 * time.Millisecond),
		lifecycle.OnRegister(func(r *adsum.Registration) { s.reg <- r }),
	}, opts...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.returned <- adsumhttp.Serve(ctx, srv, l, f.registry, adsum.Instance{Service: "book", Addr: l.Addr().String()}, opts...)
	}()
	f.t.Cleanup(func() { end(); <-done })
	return s
}

func TestServeRegistersAndStopsWithoutAFailedCall(t *testing.T) {
	f := newFleet(t)
	// A call that left before the record was withdrawn has a second to arrive.
	one := f.serve(&http.Server{Handler: names("one")}, lifecycle.WithDrainDelay(time.Second))
	two := f.serve(&http.Server{Handler: names("two")})
	f.see("book", 2)
	transport := f.transport()
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			// A POST, which is sent again only when it never left.
			req, _ := http.NewRequest(http.MethodPost, "http://book/", strings.NewReader("x"))
			resp, err := transport.RoundTrip(req)
			if err != nil {
				failed <- err
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	one.end()
	if err := <-one.returned; err != nil {
		t.Errorf("Serve: %v", err)
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a call failed: %v", err)
	}
	two.end()
	if err := <-two.returned; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeAsksCallersToLeaveWhileItDrains(t *testing.T) {
	f := newFleet(t)
	srv := &http.Server{Handler: names("book")}
	s := f.serve(srv, lifecycle.WithDrainDelay(time.Hour))
	t.Cleanup(func() { srv.Close() }) // which ends the drain
	f.see("book", 1)
	snapshot, err := f.dir.Snapshot(t.Context(), "book")
	if err != nil {
		t.Fatal(err)
	}
	direct := &http.Transport{}
	defer direct.CloseIdleConnections()
	url := "http://" + snapshot.Instances[0].Addr
	ask := func() (closes bool) {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		resp, err := direct.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.Close
	}
	if ask() {
		t.Error("a serving server closes connections")
	}
	reg := <-s.reg
	s.end()
	<-reg.Done()
	if !ask() {
		t.Error("a draining server keeps connections")
	}
	direct.CloseIdleConnections()
}

func TestAServerThatSpeaksTLSIsCalledByTLS(t *testing.T) {
	f := newFleet(t)
	cert := httptest.NewUnstartedServer(nil) // for its certificate
	cert.StartTLS()
	defer cert.Close()
	f.serve(&http.Server{Handler: names("secret"), TLSConfig: cert.TLS.Clone()})
	f.see("book", 1)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Certificate())
	transport := f.transport(
		adsumhttp.WithTLSConfig(&tls.Config{RootCAs: roots}),
		adsumhttp.WithServerName(func(string) string { return "example.com" }))
	if _, body := get(t, transport, "http://book/"); body != "secret" {
		t.Errorf("got %q", body)
	}
	snapshot, err := f.dir.Snapshot(t.Context(), "book")
	if err != nil {
		t.Fatal(err)
	}
	in := snapshot.Instances[0]
	if in.Endpoints["https"] != in.Addr {
		t.Errorf("registered %v and %v", in.Addr, in.Endpoints)
	}
}

func TestServeCutsOffRequestsAtTheLimit(t *testing.T) {
	f := newFleet(t)
	entered := make(chan struct{})
	s := f.serve(&http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})}, lifecycle.WithDrainDelay(0), lifecycle.WithStopTimeout(10*time.Millisecond))
	f.see("book", 1)
	go func() {
		<-entered
		s.end()
	}()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://book/", nil)
	if _, err := f.transport().RoundTrip(req); err == nil {
		t.Error("the request was answered")
	}
	var failed *lifecycle.Error
	if err := <-s.returned; !errors.As(err, &failed) || failed.Phase != lifecycle.Stop {
		t.Errorf("Serve: %v, want what was cut off", err)
	}
}

func TestServeRefusesABadInstanceAndClosesTheListener(t *testing.T) {
	f := newFleet(t)
	l := listen(t)
	err := adsumhttp.Serve(t.Context(), &http.Server{}, l, f.registry, adsum.Instance{Service: "a/b"}, lifecycle.WithLogger(quiet))
	if !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("got %v, want ErrInvalid", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}

func ask(t *testing.T, h http.Handler) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	return w.Code, w.Body.String()
}

func TestHealthzAnswersAsLongAsItCan(t *testing.T) {
	if code, body := ask(t, adsumhttp.Healthz()); code != http.StatusOK || body != "ok\n" {
		t.Errorf("%d %q", code, body)
	}
}

func TestReadyzIsReadyOnceSyncedAndFlagsWhatIsStale(t *testing.T) {
	f := newFleet(t)
	f.registry.Server().Down()
	view, err := f.dir.Open("book")
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	ready := adsumhttp.Readyz(adsumhttp.Synced(view))
	if code, body := ask(t, ready); code != http.StatusServiceUnavailable || !strings.Contains(body, "not ready\nfailed: book: no snapshot yet") {
		t.Errorf("before the first answer: %d %q", code, body)
	}
	f.registry.Server().Up()
	if err := view.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, body := ask(t, ready); code != http.StatusOK || body != "ready\nbook: 0 instances\n" {
		t.Errorf("synced: %d %q", code, body)
	}
	changed := view.Changed()
	f.registry.Server().Down()
	for !view.Snapshot().Stale() {
		<-changed
		changed = view.Changed()
	}
	if code, body := ask(t, ready); code != http.StatusOK || !strings.Contains(body, "book: 0 instances, stale since ") {
		t.Errorf("stale: %d %q", code, body)
	}
}

func TestReadyzFollowsTheRegistrationAndChecks(t *testing.T) {
	f := newFleet(t)
	reg := f.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	var broken error
	ready := adsumhttp.Readyz(
		adsumhttp.Registered(reg),
		adsumhttp.Passes("database", func(context.Context) error { return broken }))
	if code, body := ask(t, ready); code != http.StatusOK || !strings.Contains(body, "book/127.0.0.1:1: registered since ") {
		t.Errorf("registered: %d %q", code, body)
	}
	broken = errors.New("it is gone")
	if code, body := ask(t, ready); code != http.StatusServiceUnavailable || !strings.Contains(body, "failed: database: it is gone") {
		t.Errorf("broken: %d %q", code, body)
	}
	broken = nil
	if err := reg.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, _ := ask(t, ready); code != http.StatusServiceUnavailable {
		t.Errorf("closed: %d", code)
	}
}

func ExampleReadyz() {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", adsumhttp.Healthz())
	mux.Handle("GET /readyz", adsumhttp.Readyz(
		adsumhttp.Passes("database", func(context.Context) error { return errors.New("connection refused") })))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	fmt.Println(w.Code)
	fmt.Print(w.Body)
	// Output:
	// 503
	// not ready
	// failed: database: connection refused
}
