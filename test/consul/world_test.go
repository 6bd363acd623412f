package consul_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/test/servers"
)

func TestMain(m *testing.M) {
	adsumtest.Publisher(consul.Open)
	adsumtest.VerifyNoLeaks(m)
}

// patience is how long a test waits for what must happen, on a machine that is
// busy with other servers.
const patience = time.Minute

// open opens the driver on the agents; options are "key=value".
func open(t testing.TB, agents []string, options ...string) adsum.Registry {
	t.Helper()
	query := url.Values{"heartbeat": {"1s"}, "timeout": {"2s"}}
	for _, option := range options {
		k, v, _ := strings.Cut(option, "=")
		if k != "tag" { // which may be repeated
			query.Del(k)
		}
		query.Add(k, v)
	}
	r, err := consul.Open("consul://" + strings.Join(agents, ",") + "?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the registry: %v", err)
		}
	})
	return r
}

// admin is a client that knows nothing of this library.
func admin(t testing.TB, addr, token string) *api.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := api.NewClient(&api.Config{Address: addr, Token: token, HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// soon is a context for what must not take long.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func book(port int) adsum.Instance {
	return adsum.Instance{Service: "book", Addr: fmt.Sprintf("10.0.0.1:%d", port)}
}

const ttl = 3 * time.Second

// lease registers with the driver itself.
func lease(t testing.TB, r adsum.Registry, in adsum.Instance, claim adsum.Claim) adsum.Lease {
	t.Helper()
	l, err := r.Register(soon(t), in, adsum.RegisterOptions{TTL: ttl, Claim: claim})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// keep registers as a program does, and waits until it is done.
func keep(t testing.TB, r adsum.Registry, in adsum.Instance) *adsum.Registration {
	t.Helper()
	reg := keeping(t, r, in)
	registered(t, reg)
	return reg
}

func keeping(t testing.TB, r adsum.Registry, in adsum.Instance) *adsum.Registration {
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
	return reg
}

func registered(t testing.TB, reg *adsum.Registration) {
	t.Helper()
	becomes(t, reg, "registered", func(s adsum.RegistrationState) bool { return s.Registered })
}

func becomes(t testing.TB, reg *adsum.Registration, what string, ok func(adsum.RegistrationState) bool) {
	t.Helper()
	if state, err := reg.Wait(soon(t), ok); err != nil {
		t.Fatalf("never %s: %v; %+v", what, err, state)
	}
}

var quiet = slog.New(slog.DiscardHandler)

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
	seesWithin(t, patience, view, what, ok)
}

func seesWithin(t testing.TB, bound time.Duration, view *adsum.View, what string, ok func(*adsum.Snapshot) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	confirmed := time.NewTicker(50 * time.Millisecond) // that nothing changed is not announced
	defer confirmed.Stop()
	for {
		changed := view.Changed()
		s := view.Snapshot()
		if ok(s) {
			return
		}
		select {
		case <-changed:
		case <-confirmed.C:
		case <-ctx.Done():
			t.Fatalf("never saw %s; last was %d: %v, stale since %v, %v, skipped %v", what, len(s.Instances), s.Instances[:min(10, len(s.Instances))], s.StaleSince, s.Err, s.Skipped)
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

// is is the condition that an instance has a status.
func is(id string, status adsum.Status) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool {
		in, ok := s.Get(id)
		return ok && in.Status == status && !s.Stale()
	}
}

// watch runs the driver's own watch until the test ends.
type watch struct {
	listings chan adsum.Listing
	err      chan error
}

func startWatch(t testing.TB, r adsum.Registry, service string) *watch {
	t.Helper()
	w := &watch{listings: make(chan adsum.Listing, 4096), err: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { w.err <- r.Watch(ctx, service, func(l adsum.Listing) { w.listings <- l }) }()
	t.Cleanup(cancel)
	return w
}

// next waits for a listing that satisfies a condition.
func (w *watch) next(t testing.TB, what string, ok func(adsum.Listing) bool) adsum.Listing {
	t.Helper()
	ctx := soon(t)
	var last adsum.Listing
	for {
		select {
		case last = <-w.listings:
			if ok(last) {
				return last
			}
		case err := <-w.err:
			t.Fatalf("the watch ended before %s: %v", what, err)
		case <-ctx.Done():
			t.Fatalf("never %s; last was %v, skipped %v", what, last.Instances, last.Skipped)
		}
	}
}

// fails waits for the end of the watch.
func (w *watch) fails(t testing.TB, want error) {
	t.Helper()
	ctx := soon(t)
	for {
		select {
		case <-w.listings:
		case err := <-w.err:
			if !errors.Is(err, want) {
				t.Fatalf("the watch ended with %v, want %v", err, want)
			}
			return
		case <-ctx.Done():
			t.Fatal("the watch did not end")
		}
	}
}

func size(n int) func(adsum.Listing) bool {
	return func(l adsum.Listing) bool { return len(l.Instances) == n }
}

// eventually waits for a condition that nothing announces.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx := soon(t); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never %s", what)
		}
	}
}

// passing lists what a foreign reader takes for passing.
func passing(t testing.TB, c *api.Client, service string) []string {
	t.Helper()
	answer, _, err := c.Health().Service(service, "", true, (&api.QueryOptions{}).WithContext(soon(t)))
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, s := range answer {
		addrs = append(addrs, fmt.Sprintf("%s:%d", s.Service.Address, s.Service.Port))
	}
	slices.Sort(addrs)
	return addrs
}

func agents(nodes ...*servers.Node) []string {
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}
