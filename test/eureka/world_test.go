package eureka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

func TestMain(m *testing.M) {
	adsumtest.Publisher(eureka.Open)
	adsumtest.VerifyNoLeaks(m, adsumtest.AfterTests(func() {
		stopShared()
		if builtIn != "" {
			_ = os.RemoveAll(builtIn)
		}
	}))
}

// sharing is one server for all tests that do it no harm, each with a service
// of its own. It is started when first needed.
type sharing struct {
	options servers.EurekaOptions
	mu      sync.Mutex
	srv     *servers.Eureka // guarded by mu
}

var (
	shared        sharing
	sharedNetflix = sharing{options: servers.EurekaOptions{Netflix: true}}
	sharedGuarded = sharing{options: servers.EurekaOptions{User: "keeper", Password: "secret"}} // wants a password
)

func (s *sharing) server(t testing.TB) *servers.Eureka {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv == nil {
		srv, err := servers.NewEureka(s.options)
		if err != nil {
			t.Fatal(err)
		}
		s.srv = srv
	}
	return s.srv
}

func sharedServer(t testing.TB) *servers.Eureka {
	t.Helper()
	return shared.server(t)
}

func stopShared() {
	for _, s := range []*sharing{&shared, &sharedNetflix, &sharedGuarded} {
		if s.srv != nil {
			_ = s.srv.Close() // this process ends, and its children with it
		}
	}
}

func openURL(t testing.TB, rawURL string) adsum.Registry {
	t.Helper()
	r, err := eureka.Open(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startTLS starts a server that wants certificates.
func startTLS(t testing.TB) (*servers.Eureka, *certs.Authority) {
	ca := certs.NewAuthority(t)
	pair, client := ca.Server(t), ca.Client(t, "probe")
	return servers.StartEureka(t, servers.EurekaOptions{TLS: &servers.TLS{
		CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File,
		ClientCertFile: client.CertFile, ClientKeyFile: client.KeyFile,
	}}), ca
}

// rawEureka speaks to a server as a program does that knows nothing of this
// library.
type rawEureka struct{ base string }

func (e rawEureka) post(ctx context.Context, service, body string) error {
	return e.do(ctx, http.MethodPost, "/apps/"+service, body)
}

func (e rawEureka) do(ctx context.Context, method, path, body string) error {
	_, err := e.ask(ctx, method, path, body)
	return err
}

func (e rawEureka) ask(ctx context.Context, method, path, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, e.base+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return string(answer), err
}

// stored is what foreign programs see of an instance of this library.
type stored struct {
	Status           string
	OverriddenStatus string
	Port, SecurePort storedPort
	Metadata         map[string]string
}

type storedPort struct {
	Number  int    `json:"$"`
	Enabled string `json:"@enabled"`
}

func (e rawEureka) stored(t testing.TB, service, id string) stored {
	t.Helper()
	answer, err := e.ask(soon(t), http.MethodGet, "/apps/"+service+"/"+service+":"+id, "")
	if err != nil {
		t.Fatal(err)
	}
	var found struct{ Instance stored }
	if err := json.Unmarshal([]byte(answer), &found); err != nil {
		t.Fatal(err)
	}
	return found.Instance
}

// patience is how long a test waits for what must happen, on a machine that is
// busy with other servers.
const patience = time.Minute

// soon is a context for what must not take long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// with are the options of quick, and others, "key=value", in their place or
// beside them.
func with(options ...string) string {
	all, _ := url.ParseQuery(quick[1:])
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		all.Set(key, value)
	}
	return "?" + all.Encode()
}

// open opens the driver on all members of a server; options are "key=value".
func open(t testing.TB, srv *servers.Eureka, options ...string) adsum.Registry {
	t.Helper()
	base := strings.TrimPrefix(srv.URLs()[0], "http://"+srv.Addr())
	r := openURL(t, "eureka+http://"+strings.Join(srv.Addrs(), ",")+base+with(options...))
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the registry: %v", err)
		}
	})
	return r
}

// ttl is short where a test waits for a crash to show, and longer where one
// must not lose its lease however slow the machine is.
const (
	ttl     = 3 * time.Second
	longTTL = 15 * time.Second
)

var quiet = slog.New(slog.DiscardHandler)

func book(port int) adsum.Instance { return copyOf("book", port) }

func copyOf(service string, port int) adsum.Instance {
	return adsum.Instance{Service: service, Addr: fmt.Sprintf("10.0.0.1:%d", port)}
}

// keep registers as a program does, and waits until it is done.
func keep(t testing.TB, r adsum.Registry, in adsum.Instance) *adsum.Registration {
	t.Helper()
	return keepFor(t, r, in, ttl)
}

func keepFor(t testing.TB, r adsum.Registry, in adsum.Instance, ttl time.Duration) *adsum.Registration {
	t.Helper()
	reg, err := adsum.Register(r, in, adsum.WithTTL(ttl), adsum.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = reg.Close(ctx) // the server may be gone on purpose
	})
	awaits(t, reg, func(s adsum.RegistrationState) bool { return s.Registered })
	return reg
}

func awaits(t testing.TB, reg *adsum.Registration, ok func(adsum.RegistrationState) bool) {
	t.Helper()
	if _, err := reg.Wait(soon(t), ok); err != nil {
		t.Fatal(err)
	}
}

// look opens a service in a directory of its own.
func look(t testing.TB, r adsum.Registry, service string) *adsum.View {
	t.Helper()
	dir := adsum.NewDirectory(r, adsum.WithLogger(quiet))
	t.Cleanup(func() { _ = dir.Close() })
	view, err := dir.Open(service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	return view
}

// sees waits until a view satisfies a condition.
func sees(t testing.TB, view *adsum.View, what string, ok func(*adsum.Snapshot) bool) {
	t.Helper()
	ctx := soon(t)
	for {
		changed := view.Changed()
		s := view.Snapshot()
		if ok(s) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			var last []string
			for _, in := range s.Instances {
				last = append(last, fmt.Sprintf("%v %s (%s, reported %q, weight %d)", in, in.Status, in.Reason, in.Reported, in.Weight))
			}
			t.Fatalf("never saw %s; last was %q, stale since %v, %v", what, last, s.StaleSince, s.Err)
		}
	}
}

// has is the condition that exactly these addresses are there and fresh.
func has(addrs ...string) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool {
		var got []string
		for _, in := range s.Instances {
			got = append(got, in.Addr)
		}
		slices.Sort(got)
		return s.Known() && !s.Stale() && slices.Equal(got, addrs)
	}
}

// is is the condition that an instance has these states.
func is(id string, status, reported adsum.Status) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool {
		in, ok := s.Get(id)
		return ok && in.Status == status && in.Reported == reported
	}
}
