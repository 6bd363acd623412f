package adsumkit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/kit/sd"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

// kitInstancer does as go-kit's own do: it sends while it holds the lock that
// Register and Deregister take.
type kitInstancer struct {
	mu        sync.Mutex
	state     sd.Event
	observers map[chan<- sd.Event]bool
	stopped   bool
}

func newKitInstancer(instances ...string) *kitInstancer {
	return &kitInstancer{state: sd.Event{Instances: instances}, observers: map[chan<- sd.Event]bool{}}
}

func (k *kitInstancer) update(event sd.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state = event
	for ch := range k.observers {
		ch <- event
	}
}

func (k *kitInstancer) Register(ch chan<- sd.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.observers[ch] = true
	ch <- k.state
}

func (k *kitInstancer) Deregister(ch chan<- sd.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.observers, ch)
}

func (k *kitInstancer) Stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
}

// watching makes a directory on go-kit's instancers.
func watching(t *testing.T, instancers map[string]sd.Instancer) *adsum.Directory {
	registry := adsumkit.FromInstancers(instancers)
	dir := adsum.NewDirectory(registry, quiet)
	t.Cleanup(func() {
		if err := errors.Join(dir.Close(), registry.Close(), registry.Close()); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func ids(s *adsum.Snapshot) string {
	var ids []string
	for _, in := range s.Instances {
		ids = append(ids, in.ID)
	}
	return strings.Join(ids, " ")
}

func TestGoKitsInstancersAreARegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := newKitInstancer("a:1", "b:1")
		dir := watching(t, map[string]sd.Instancer{"book": kit, "shop": sd.FixedInstancer{"s:1"}})
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		expect := func(want string, stale bool) {
			t.Helper()
			wait(settled)
			if s := view.Snapshot(); ids(s) != want || s.Stale() != stale {
				t.Fatalf("snapshot %q, stale %v; want %q, %v", ids(s), s.Stale(), want, stale)
			}
		}
		expect("a:1 b:1", false)
		kit.update(sd.Event{Instances: []string{"b:1", "c:1"}})
		expect("b:1 c:1", false)
		kit.update(sd.Event{Err: errDown})
		wait(time.Minute)
		expect("b:1 c:1", true)
		kit.update(sd.Event{Instances: []string{"c:1"}})
		wait(time.Minute)
		expect("c:1", false)

		names, err := dir.Services(t.Context())
		if err != nil || !slices.Equal(names, []string{"book", "shop"}) {
			t.Errorf("services %v, %v", names, err)
		}
		other, err := dir.Snapshot(t.Context(), "other")
		if err != nil || len(other.Instances) != 0 {
			t.Errorf("a service without an instancer: %v, %v", other, err)
		}
	})
}

func TestInstanceStringsAreAddressesOrURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := watching(t, map[string]sd.Instancer{"book": sd.FixedInstancer{
			"10.0.0.1:80", "http://10.0.0.2:8080/books", "https://book.example", "not an address", "ftp://", "10.0.0.3",
		}})
		s, err := dir.Snapshot(t.Context(), "book")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ids(s), "10.0.0.1:80 10.0.0.2:8080 book.example:443"; got != want {
			t.Errorf("instances %s, want %s", got, want)
		}
		var skipped []string
		for _, entry := range s.Skipped {
			skipped = append(skipped, entry.Key)
		}
		if want := []string{"not an address", "ftp://", "10.0.0.3"}; !slices.Equal(skipped, want) {
			t.Errorf("skipped %q, want %q", skipped, want)
		}
		in, ok := s.Get("10.0.0.2:8080")
		if !ok || in.Endpoints["http"] != "10.0.0.2:8080" || in.Metadata[adsumkit.MetadataText] != "http://10.0.0.2:8080/books" {
			t.Errorf("instance %+v", in)
		}
	})
}

func TestGoKitInAndGoKitOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := watching(t, map[string]sd.Instancer{"book": newKitInstancer("http://a:1/", "http://b:1/")})
		instancer, err := adsumkit.NewInstancer(dir, "book", adsumkit.WithText(func(in *adsum.Instance) string {
			return in.Metadata[adsumkit.MetadataText]
		}))
		if err != nil {
			t.Fatal(err)
		}
		defer instancer.Stop()
		s := newServers()
		e := adsumkit.NewEndpointer(instancer, s.factory)
		defer e.Close()
		got := ask(t, pick(t, adsumkit.NewBalancer(e, lb.RoundRobin)), 2)
		slices.Sort(got)
		if !slices.Equal(got, []string{"http://a:1/", "http://b:1/"}) {
			t.Errorf("answers %v", got)
		}
	})
}

func TestAWatchEndsWhileGoKitIsSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := newKitInstancer("a:1")
		dir := watching(t, map[string]sd.Instancer{"book": kit})
		if _, err := dir.Snapshot(t.Context(), "book"); err != nil {
			t.Fatal(err)
		}
		var sending sync.WaitGroup
		sending.Go(func() {
			for range 1000 {
				kit.update(sd.Event{Instances: []string{"a:1"}})
			}
		})
		if err := dir.Close(); err != nil {
			t.Fatal(err)
		}
		sending.Wait()
		if n := len(kit.observers); n != 0 {
			t.Errorf("%d observers left", n)
		}
	})
}

func TestClosingTheRegistryStopsTheInstancersAndTheWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := newKitInstancer("a:1")
		registry := adsumkit.FromInstancers(map[string]sd.Instancer{"book": kit})
		ended := make(chan error)
		go func() { ended <- registry.Watch(t.Context(), "book", func(adsum.Listing) {}) }()
		synctest.Wait()
		if err := registry.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, adsum.ErrClosed) {
			t.Errorf("watch ended with %v", err)
		}
		if !kit.stopped {
			t.Error("the instancer was not stopped")
		}
		if err := registry.(adsum.ServiceWatcher).WatchServices(t.Context(), func([]string) {}); !errors.Is(err, adsum.ErrClosed) {
			t.Errorf("services: %v", err)
		}
	})
}

func TestNobodyRegistersThroughAnInstancer(t *testing.T) {
	registry := adsumkit.FromInstancers(nil)
	if registry.Capabilities().Register {
		t.Error("it claims that it can register")
	}
	in := adsum.Instance{Service: "book", Addr: "10.0.0.1:1"}
	if _, err := adsum.Register(registry, in); !errors.Is(err, adsum.ErrUnsupported) {
		t.Errorf("adsum.Register: %v", err)
	}
	if _, err := registry.Register(t.Context(), in, adsum.RegisterOptions{}); !errors.Is(err, adsum.ErrUnsupported) {
		t.Errorf("Register: %v", err)
	}
}

func FuzzInstanceStrings(f *testing.F) {
	for _, text := range []string{"10.0.0.1:80", "http://h:1/p?q", "[::1]:1", "https://[::1]", "://", "a:b:c", "ftp://h", "HTTP://h", "\x1b[31m:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		registry := adsumkit.FromInstancers(map[string]sd.Instancer{"book": sd.FixedInstancer{"10.0.0.9:9", text}})
		defer registry.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := registry.Watch(ctx, "book", func(l adsum.Listing) {
			cancel()
			if len(l.Instances)+len(l.Skipped) != 2 || len(l.Instances) == 0 || l.Instances[0].ID != "10.0.0.9:9" {
				t.Errorf("%q hides its neighbour: %+v", text, l)
			}
			for _, in := range l.Instances {
				if err := in.Validate(); err != nil {
					t.Errorf("%q was read as something that is not valid: %v", text, err)
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
