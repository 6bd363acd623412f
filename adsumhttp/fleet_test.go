package adsumhttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

var quiet = slog.New(slog.DiscardHandler)

// inTurn is how most tests choose.
var inTurn = adsumhttp.WithPolicy(lb.RoundRobin)

// fleet is a registry and a directory on it, for the copies of one test.
type fleet struct {
	t        testing.TB
	registry *memory.Registry
	dir      *adsum.Directory
}

func newFleet(t testing.TB) *fleet {
	f := &fleet{t: t, registry: memory.New()}
	f.dir = adsum.NewDirectory(f.registry, adsum.WithLogger(quiet))
	t.Cleanup(func() {
		f.dir.Close()
		f.registry.Close()
	})
	return f
}

// register publishes an instance until the test ends, or until the
// registration returned is closed.
func (f *fleet) register(in adsum.Instance) *adsum.Registration {
	f.t.Helper()
	reg, err := adsum.Register(f.registry, in, adsum.WithLogger(quiet))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { reg.Close(context.Background()) })
	if _, err := reg.Wait(f.t.Context(), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
		f.t.Fatal(err)
	}
	return reg
}

// start starts and registers a copy of the service.
func (f *fleet) start(service string, handler http.HandlerFunc) *httptest.Server {
	f.t.Helper()
	srv := httptest.NewServer(handler)
	f.t.Cleanup(srv.Close)
	f.register(adsum.Instance{Service: service, Addr: srv.Listener.Addr().String()})
	return srv
}

// see waits until the directory knows n instances of the service.
func (f *fleet) see(service string, n int) {
	f.t.Helper()
	view, err := f.dir.Open(service)
	if err != nil {
		f.t.Fatal(err)
	}
	defer view.Close()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	defer cancel()
	for change := range view.Changes(ctx) {
		if len(change.Snapshot.Instances) == n {
			return
		}
	}
	f.t.Fatalf("%s never had %d instances: %v", service, n, view.Snapshot().Instances)
}

func (f *fleet) transport(opts ...adsumhttp.Option) *adsumhttp.Transport {
	transport := adsumhttp.NewTransport(f.dir, append([]adsumhttp.Option{inTurn}, opts...)...)
	f.t.Cleanup(func() { transport.Close() })
	return transport
}

// names answers with a name.
func names(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, name)
	}
}

// answers answers with a status.
func answers(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// breaks cuts the connection instead of answering.
func breaks(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	conn.Close()
}

// refused is an address that nobody listens at. It is none of those that the
// system gives to whoever asks for any port, as other tests do meanwhile.
const refused = "127.0.0.1:1"

// get calls and returns the status and the body.
func get(t testing.TB, rt http.RoundTripper, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, rt, req)
}

func do(t testing.TB, rt http.RoundTripper, req *http.Request) (int, string) {
	t.Helper()
	resp, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
