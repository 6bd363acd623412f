package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/test/servers"
)

func TestMain(m *testing.M) {
	adsumtest.Publisher(etcd.Open)
	adsumtest.VerifyNoLeaks(m)
}

// patience is how long a test waits for what must happen, on a machine that is
// busy with other servers.
const patience = time.Minute

// open opens the driver on a server; options are "key=value".
func open(t testing.TB, srv *servers.Etcd, options ...string) adsum.Registry {
	t.Helper()
	return openURL(t, "etcd://"+strings.Join(srv.Addrs(), ",")+"/services", options...)
}

func openURL(t testing.TB, base string, options ...string) adsum.Registry {
	t.Helper()
	query := url.Values{"heartbeat": {"1s"}, "timeout": {"2s"}}
	for _, option := range options {
		k, v, _ := strings.Cut(option, "=")
		query.Set(k, v)
	}
	r, err := etcd.Open(base + "?" + query.Encode())
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
func admin(t testing.TB, srv *servers.Etcd) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: srv.Addrs(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
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

const ttl = 5 * time.Second

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
	reg, err := adsum.Register(r, in, adsum.WithTTL(ttl), adsum.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = reg.Close(ctx) // the server may be gone on purpose
	})
	registered(t, reg)
	return reg
}

func registered(t testing.TB, reg *adsum.Registration) {
	t.Helper()
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
		t.Fatal(err)
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
			t.Fatalf("never saw %s; last was %v, stale since %v, %v", what, s.Instances, s.StaleSince, s.Err)
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
			if want != nil && !errors.Is(err, want) || err == nil {
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

// keysUnder lists what a foreign reader finds under a prefix.
func keysUnder(t testing.TB, c *clientv3.Client, prefix string) map[string]string {
	t.Helper()
	answer, err := c.Get(soon(t), prefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, kv := range answer.Kvs {
		found[string(kv.Key)] = string(kv.Value)
	}
	return found
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

// wrap makes a registry of a client.
func wrap(t testing.TB, c *clientv3.Client) *etcd.Registry {
	t.Helper()
	r, err := etcd.New(c, etcd.Options{Base: "/services", Heartbeat: time.Second, Timeout: 2 * time.Second, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}
