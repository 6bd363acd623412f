package adsumkit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/kit/sd"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/health"
	"github.com/adsum-go/adsum/memory"
)

func newRegistrar(t *testing.T, server *memory.Server, opts ...adsum.RegisterOption) *adsumkit.Registrar {
	t.Helper()
	client := server.Client()
	r, err := adsumkit.NewRegistrar(client, adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"}, append(opts, quiet)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(t.Context()), client.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestARegistrarPublishesAsOftenAsItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		r := newRegistrar(t, server)
		var registrar sd.Registrar = r
		for range 3 {
			registrar.Register()
			registrar.Register() // once is enough
			if err := r.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(server.Records("book")); n != 1 {
				t.Fatalf("%d records after Register", n)
			}
			if err := r.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			registrar.Deregister()
			registrar.Deregister()
			if n := len(server.Records("book")); n != 0 {
				t.Fatalf("%d records after Deregister", n)
			}
			if err := r.Ready(t.Context()); !errors.Is(err, adsum.ErrNotRegistered) {
				t.Fatalf("ready after Deregister: %v", err)
			}
			if err := r.WaitReady(t.Context()); !errors.Is(err, adsum.ErrNotRegistered) {
				t.Fatalf("waiting after Deregister: %v", err)
			}
		}
	})
}

func TestARegistrarTellsOfErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		server.Down()
		r := newRegistrar(t, server)
		r.Register()
		wait(time.Minute)
		if s := r.State(); s.Registered || !errors.Is(s.LastError, memory.ErrUnavailable) {
			t.Fatalf("state %+v", s)
		}
		if err := r.Ready(t.Context()); !errors.Is(err, adsum.ErrNotRegistered) || !strings.Contains(err.Error(), "down") {
			t.Fatalf("ready: %v", err)
		}
		server.Up()
		wait(time.Minute)
		if s := r.State(); !s.Registered {
			t.Fatalf("state %+v: not registered although the registry is back", s)
		}
		server.Down()
		r.Deregister()
		if err := r.State().LastError; err == nil {
			t.Error("a withdrawal that failed says nothing")
		}
		server.Up()
	})
}

func TestAClosedRegistrarRegistersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		r := newRegistrar(t, server)
		r.Register()
		wait(settled)
		gone, cancel := context.WithCancel(t.Context())
		cancel() // a program that shuts down still withdraws
		if err := r.Close(gone); err != nil {
			t.Fatal(err)
		}
		r.Register()
		wait(settled)
		if n := len(server.Records("book")); n != 0 {
			t.Fatalf("%d records after Close", n)
		}
		if err := r.Ready(t.Context()); !errors.Is(err, adsum.ErrClosed) {
			t.Errorf("ready: %v", err)
		}
	})
}

func TestARegistrarKeepsItsUpdatesAcrossRegistrations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := newRegistrar(t, w.server)
		setWeight := func(weight int) {
			t.Helper()
			if err := r.Update(func(in *adsum.Instance) { in.Weight = weight }); err != nil {
				t.Fatal(err)
			}
		}
		expectWeight := func(weight int) {
			t.Helper()
			wait(settled)
			s, err := w.dir.Snapshot(t.Context(), "book")
			if err != nil || len(s.Instances) != 1 || s.Instances[0].Weight != weight {
				t.Fatalf("snapshot %+v, %v; want weight %d", s, err, weight)
			}
		}
		setWeight(2) // before it is registered
		r.Register()
		expectWeight(2)
		setWeight(3)
		expectWeight(3)
		r.Deregister()
		r.Register()
		expectWeight(3)
		if err := r.Update(func(in *adsum.Instance) { in.Weight = -1 }); !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("a negative weight: %v", err)
		}
	})
}

func TestHealthDrivesARegistrar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := newRegistrar(t, w.server)
		beat := health.NewBeat(time.Second)
		checker, err := health.Start([]health.Check{{Probe: beat}}, health.WithLogger(silent))
		if err != nil {
			t.Fatal(err)
		}
		defer checker.Close()
		checker.Attach(r)
		r.Register()
		for _, want := range []adsum.Status{adsum.Passing, adsum.Critical} {
			if want == adsum.Passing {
				beat.OK()
			}
			wait(settled)
			s, err := w.dir.Snapshot(t.Context(), "book")
			if err != nil || len(s.Instances) != 1 || s.Instances[0].Status != want {
				t.Fatalf("snapshot %+v, %v; want %s", s, err, want)
			}
			wait(time.Second)
		}
	})
}

func TestARegistrarRefusesWhatCannotBePublished(t *testing.T) {
	_, err := adsumkit.NewRegistrar(memory.NewServer().Client(), adsum.Instance{Service: "book", Addr: "0.0.0.0:80"})
	if !errors.Is(err, adsum.ErrInvalid) {
		t.Error(err)
	}
	_, err = adsumkit.NewRegistrar(adsumkit.FromInstancers(nil), adsum.Instance{Service: "book", Addr: "10.0.0.5:80"})
	if !errors.Is(err, adsum.ErrUnsupported) {
		t.Error(err)
	}
}
