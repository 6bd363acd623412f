package adsum_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

var errGone = errors.New("gone")

func TestADirectoryCountsWhatItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		dir := adsum.NewDirectory(s, quiet)
		defer dir.Close()
		if stats := dir.Stats(); stats.Registry != "script:" || len(stats.Services) != 0 {
			t.Errorf("nothing is watched: %+v", stats)
		}
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		synctest.Wait()
		one := func() adsum.ServiceStats { return dir.Stats().Services[0] }
		if got := one(); got.Service != "book" || got.Handles != 1 || got.Known || got.Watches != 1 || got.Answers != 0 {
			t.Errorf("before an answer: %+v", got)
		}
		s.emit(1, copyOf("a"), copyOf("b"), copyOf("c", func(in *adsum.Instance) { in.Status = adsum.Draining }))
		s.emit(2, copyOf("a"), copyOf("b"), copyOf("c", func(in *adsum.Instance) { in.Status = adsum.Draining }))
		got := one()
		if !got.Known || got.Stale || got.Answers != 2 || got.Changes != 1 || got.Errors != 0 || got.SyncedAt.IsZero() {
			t.Errorf("after two answers that say the same: %+v", got)
		}
		if got.Instances[adsum.Passing] != 2 || got.Instances[adsum.Draining] != 1 || len(got.Instances) != 2 {
			t.Errorf("instances: %v", got.Instances)
		}
		s.fail(errGone)
		time.Sleep(time.Second)
		synctest.Wait()
		got = one()
		if !got.Stale || !errors.Is(got.Err, errGone) || got.Errors != 1 || got.Watches < 2 || got.Instances[adsum.Passing] != 2 {
			t.Errorf("after the watch broke: %+v", got)
		}
	})
}

func TestADirectoryIsReadyOnceEverythingWatchedWasKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		registry.Server().Down()
		dir := adsum.NewDirectory(registry, quiet)
		defer dir.Close()
		if err := dir.Ready(t.Context()); err != nil {
			t.Errorf("nothing is watched: %v", err)
		}
		for _, service := range []string{"book", "shelf"} {
			view, err := dir.Open(service)
			if err != nil {
				t.Fatal(err)
			}
			defer view.Close()
		}
		time.Sleep(time.Minute)
		err := dir.Ready(t.Context())
		if !errors.Is(err, adsum.ErrNoSnapshot) || !errors.Is(err, memory.ErrUnavailable) ||
			!strings.Contains(err.Error(), `"book"`) || !strings.Contains(err.Error(), `"shelf"`) {
			t.Errorf("while the registry is down from the start: %v", err)
		}
		registry.Server().Up()
		time.Sleep(time.Minute)
		if err := dir.Ready(t.Context()); err != nil {
			t.Errorf("once it is up: %v", err)
		}
		registry.Server().Down()
		time.Sleep(time.Minute)
		late, err := dir.Open("late")
		if err != nil {
			t.Fatal(err)
		}
		defer late.Close()
		if err := dir.Ready(t.Context()); err != nil {
			t.Errorf("stale, and asked for another service meanwhile: %v", err)
		}
	})
}

func TestARegistrationCountsWhatTheRegistryAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		reg := register(t, registry, book)
		if err := reg.SetStatus(adsum.Warning, "slow"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := registry.Server().ExpireLease("book", "one"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		registry.Server().Down()
		time.Sleep(time.Minute)
		lost := reg.Stats()
		if lost.Registered || lost.Lost != 1 || lost.Failures == 0 || lost.Registrations != 1 || lost.Updates != 1 {
			t.Errorf("while the registry is down: %+v", lost)
		}
		registry.Server().Up()
		time.Sleep(time.Minute)
		back := reg.Stats()
		if !back.Registered || back.Registrations != 2 || back.Failures != lost.Failures {
			t.Errorf("once it is back: %+v", back)
		}
		if back.Service != "book" || back.ID != "one" || back.Published.Status != adsum.Warning || !strings.HasPrefix(back.Registry, "memory:") {
			t.Errorf("what it is: %+v", back)
		}
	})
}
