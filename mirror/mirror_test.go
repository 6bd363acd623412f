package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/memory"
	"github.com/adsum-go/adsum/mirror"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

var silent = slog.New(slog.DiscardHandler)

// start runs a mirror until the test or stop ends it.
func start(t *testing.T, from, to *memory.Server, opts mirror.Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	opts.Logger = silent
	done := make(chan error, 1)
	go func() { done <- mirror.Run(ctx, from.Client(), to.Client(), opts) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return stop
}

func register(t *testing.T, server *memory.Server, service, id, addr string) *adsum.Registration {
	t.Helper()
	reg, err := adsum.Register(server.Client(), adsum.Instance{Service: service, ID: id, Addr: addr, Weight: 3, Zone: "a"}, adsum.WithLogger(silent))
	if err != nil {
		t.Fatal(err)
	}
	return reg
}

// sees waits until the server lists what is wanted: "id addr" each, with the
// origin of images.
func sees(t *testing.T, when string, server *memory.Server, service string, want ...string) {
	t.Helper()
	dir := adsum.NewDirectory(server.Client(), adsum.WithLogger(silent))
	defer dir.Close()
	time.Sleep(30 * time.Second)
	synctest.Wait()
	found, err := dir.Discover(t.Context(), service, "", false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, in := range found {
		line := in.ID + " " + in.Addr
		if origin := in.Metadata[mirror.OriginKey]; origin != "" {
			line += " from " + origin
		}
		if in.Weight != 3 || in.Zone != "a" {
			line += fmt.Sprintf(", weight %d, zone %q", in.Weight, in.Zone)
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the target lists %q, want %q", when, got, want)
	}
}

func TestServicesAreMirroredFollowedAndWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := memory.NewServer(), memory.NewServer()
		one := register(t, from, "book", "one", "h:1")
		two := register(t, from, "book", "two", "h:2")
		defer two.Close(t.Context())
		stop := start(t, from, to, mirror.Options{})
		defer stop()
		sees(t, "at first", to, "book", "one h:1 from memory:", "two h:2 from memory:")
		if err := two.Update(func(in *adsum.Instance) { in.Addr = "h:3" }); err != nil {
			t.Fatal(err)
		}
		if err := one.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		late := register(t, from, "shelf", "late", "h:4")
		defer late.Close(t.Context())
		sees(t, "changed", to, "book", "two h:3 from memory:")
		sees(t, "a service that came later", to, "shelf", "late h:4 from memory:")
		stop()
		if n := len(to.Records("book")) + len(to.Records("shelf")); n != 0 {
			t.Errorf("%d images left", n)
		}
	})
}

func TestAnUnreachableOriginWithdrawsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := memory.NewServer(), memory.NewServer()
		reg := register(t, from, "book", "one", "h:1")
		defer reg.Close(t.Context())
		stop := start(t, from, to, mirror.Options{Services: []string{"book"}})
		defer stop()
		sees(t, "at first", to, "book", "one h:1 from memory:")
		for name, fault := range map[string]struct{ begin, end func() }{
			"down":   {from.Down, from.Up},
			"frozen": {from.Freeze, from.Thaw},
			"denied": {from.Deny, from.Allow},
		} {
			fault.begin()
			time.Sleep(time.Hour)
			sees(t, name, to, "book", "one h:1 from memory:")
			fault.end()
			time.Sleep(time.Minute)
		}
		to.Wipe()
		sees(t, "target wiped", to, "book", "one h:1 from memory:")
	})
}

func TestTwoMirrorsAgainstEachOtherMakeNoLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memory.NewServer(), memory.NewServer()
		inA := register(t, a, "book", "in-a", "h:1")
		inB := register(t, b, "book", "in-b", "h:2")
		defer inB.Close(t.Context())
		defer start(t, a, b, mirror.Options{})()
		defer start(t, b, a, mirror.Options{})()
		sees(t, "on a", a, "book", "in-a h:1", "in-b h:2 from memory:")
		sees(t, "on b", b, "book", "in-a h:1 from memory:", "in-b h:2")
		if err := inA.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		sees(t, "a left on a", a, "book", "in-b h:2 from memory:")
		sees(t, "a left on b", b, "book", "in-b h:2")
	})
}

func TestAProgramThatMovedIsNotDisturbedByItsImage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := memory.NewServer(), memory.NewServer()
		old := register(t, from, "book", "one", "h:1")
		defer old.Close(t.Context())
		defer start(t, from, to, mirror.Options{})()
		sees(t, "before", to, "book", "one h:1 from memory:")
		moved := register(t, to, "book", "one", "h:9")
		sees(t, "moved", to, "book", "one h:9")
		if state := moved.State(); !state.Registered || state.Lost != 0 {
			t.Errorf("the program that moved: %+v", state)
		}
		if err := moved.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		sees(t, "moved back", to, "book", "one h:1 from memory:")
	})
}

// readOnly is a registry that can neither register nor list.
type readOnly struct{ adsum.Registry }

func (readOnly) Capabilities() adsum.Capabilities { return adsum.Capabilities{Registry: "readonly:"} }

func TestRunRefusesWhatCannotWork(t *testing.T) {
	m, r := memory.New(), readOnly{memory.New()}
	for name, test := range map[string]struct {
		from, to adsum.Registry
		opts     mirror.Options
		want     error
	}{
		"into a registry that is read only":     {m, r, mirror.Options{}, adsum.ErrUnsupported},
		"all of one that cannot list":           {r, m, mirror.Options{}, adsum.ErrUnsupported},
		"a service with a name that is no name": {m, memory.New(), mirror.Options{Services: []string{"a/b"}}, adsum.ErrInvalid},
		"at a pace that leads back in time":     {m, memory.New(), mirror.Options{Interval: -time.Second}, adsum.ErrInvalid},
		"onto itself":                           {r, r, mirror.Options{}, adsum.ErrInvalid},
	} {
		if err := mirror.Run(t.Context(), test.from, test.to, test.opts); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
