package adsum_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

var quiet = adsum.WithLogger(slog.New(slog.DiscardHandler))

func isRegistered(s adsum.RegistrationState) bool { return s.Registered }

// register starts a registration, waits until it is there, and closes it with
// the test.
func register(t *testing.T, registry adsum.Registry, in adsum.Instance, opts ...adsum.RegisterOption) *adsum.Registration {
	t.Helper()
	reg, err := adsum.Register(registry, in, append(opts, quiet)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close(context.Background()) })
	if _, err := reg.Wait(t.Context(), isRegistered); err != nil {
		t.Fatal(err)
	}
	return reg
}

var book = adsum.Instance{ID: "one", Service: "book", Addr: "10.0.0.5:50051"}

func TestRegisterRefusesABadInstanceBeforeAnyIO(t *testing.T) {
	registry := memory.New()
	_, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: "0.0.0.0:80"})
	if !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := adsum.Register(registry, book, adsum.WithTTL(-1)); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("negative TTL: %v", err)
	}
	if n := registry.Server().Writes(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestRegisterDoesNotNeedTheRegistryToBeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		registry.Server().Down()
		reg, err := adsum.Register(registry, book, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer reg.Close(t.Context())
		time.Sleep(time.Hour)
		if err := reg.Ready(t.Context()); !errors.Is(err, adsum.ErrNotRegistered) || !errors.Is(err, memory.ErrUnavailable) {
			t.Errorf("ready after an hour of outage: %v", err)
		}
		registry.Server().Up()
		up := time.Now()
		if _, err := reg.Wait(t.Context(), isRegistered); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(up); took > 6*time.Second {
			t.Errorf("an hour's back-off took %v to notice that the registry is back", took)
		}
		if err := reg.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestBackOffIsJitteredAndCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := &countingRegistry{Registry: memory.New()}
		registry.Server().Down()
		reg, err := adsum.Register(registry, book, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer reg.Close(t.Context())
		time.Sleep(time.Minute)
		before := registry.attempts.Load()
		time.Sleep(10 * time.Minute)
		if n := registry.attempts.Load() - before; n < 95 || n > 155 {
			t.Errorf("%d attempts in 10 minutes, want one every 4 to 6 seconds", n)
		}
	})
}

type countingRegistry struct {
	*memory.Registry
	attempts atomic.Int64
}

func (r *countingRegistry) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	r.attempts.Add(1)
	return r.Registry.Register(ctx, in, opts)
}

func TestARecordThatIsLostComesBack(t *testing.T) {
	for name, lose := range map[string]func(*memory.Server) error{
		"deleted by somebody": func(s *memory.Server) error { return s.Client().Remove(context.Background(), "book", "one") },
		"lease expired":       func(s *memory.Server) error { return s.ExpireLease("book", "one") },
		"wiped":               func(s *memory.Server) error { s.Wipe(); return nil },
		"restarted empty":     func(s *memory.Server) error { s.Down(); s.Wipe(); s.Up(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := memory.NewServer()
				reg := register(t, server.Client(), book, adsum.WithTTL(3*time.Second))
				if err := lose(server); err != nil {
					t.Fatal(err)
				}
				state, err := reg.Wait(t.Context(), func(s adsum.RegistrationState) bool { return s.Lost == 1 && s.Registered })
				if err != nil {
					t.Fatal(err)
				}
				if !errors.Is(state.LastError, adsum.ErrLeaseLost) || state.LastErrorAt.IsZero() {
					t.Errorf("last error %v at %v", state.LastError, state.LastErrorAt)
				}
				if len(server.Records("book")) != 1 {
					t.Error("the record is not back")
				}
			})
		})
	}
}

func TestUpdatesReachTheRegistryAndTheLatestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		reg := register(t, registry, book)
		registry.Slow(time.Second) // no time passes in here while the updates come
		for i := range 100 {
			if err := reg.Update(func(in *adsum.Instance) { in.Weight = i + 1 }); err != nil {
				t.Fatal(err)
			}
		}
		if err := reg.SetStatus(adsum.Warning, "slow disk"); err != nil {
			t.Fatal(err)
		}
		state, err := reg.Wait(t.Context(), func(s adsum.RegistrationState) bool { return s.Published.Status == adsum.Warning })
		if err != nil {
			t.Fatal(err)
		}
		if state.Published.Weight != 100 || state.Published.Reason != "slow disk" || state.Lost != 0 {
			t.Errorf("%+v", state)
		}
		if writes := registry.Server().Writes(); writes > 3 { // the first, the one under way, and the latest
			t.Errorf("%d writes for updates that came at once", writes)
		}
	})
}

func TestUpdateRefusesWhatWouldBeAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := register(t, memory.New(), book)
		for name, change := range map[string]func(*adsum.Instance){
			"id":      func(in *adsum.Instance) { in.ID = "two" },
			"service": func(in *adsum.Instance) { in.Service = "shelf" },
			"addr":    func(in *adsum.Instance) { in.Addr = "nowhere" },
		} {
			if err := reg.Update(change); !errors.Is(err, adsum.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if in := reg.Instance(); in.ID != "one" || in.Addr != book.Addr {
			t.Errorf("a refused update stuck: %+v", in)
		}
		reg.Close(t.Context())
		if err := reg.SetStatus(adsum.Passing, ""); !errors.Is(err, adsum.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestCriticalForTooLongWithdrawsUntilBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		reg := register(t, server.Client(), book, adsum.WithDeregisterCriticalAfter(time.Minute))
		reg.SetStatus(adsum.Critical, "database gone")
		time.Sleep(59 * time.Second)
		if len(server.Records("book")) != 1 {
			t.Fatal("withdrawn too early")
		}
		reg.SetStatus(adsum.Critical, "database still gone")
		state, err := reg.Wait(t.Context(), func(s adsum.RegistrationState) bool { return s.Withdrawn })
		if err != nil || state.Registered || len(server.Records("book")) != 0 {
			t.Fatalf("%+v, %v", state, err)
		}
		if err := reg.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "critical for longer than 1m0s") {
			t.Errorf("ready: %v", err)
		}
		time.Sleep(time.Hour)
		reg.SetStatus(adsum.Passing, "")
		if state, err = reg.Wait(t.Context(), isRegistered); err != nil || state.Withdrawn || state.Lost != 0 {
			t.Errorf("%+v, %v", state, err)
		}
	})
}

func TestCloseWithdrawsAfterTheCallersContextEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		reg := register(t, server.Client(), book)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := reg.Close(ended); err != nil {
			t.Error(err)
		}
		if len(server.Records("book")) != 0 {
			t.Error("still published")
		}
		if state := reg.State(); !state.Closed || state.Registered {
			t.Errorf("%+v", state)
		}
		if err := reg.Close(ended); err != nil {
			t.Errorf("second close: %v", err)
		}
		if _, err := reg.Wait(t.Context(), isRegistered); !errors.Is(err, adsum.ErrClosed) {
			t.Errorf("waiting on a closed one: %v", err)
		}
	})
}

func TestCloseSaysWhenItCouldNotWithdraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		reg := register(t, server.Client(), book)
		server.Freeze()
		started := time.Now()
		err := reg.Close(t.Context())
		if err == nil || !strings.Contains(err.Error(), "TTL of 15s") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(started); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		server.Thaw()
		time.Sleep(adsum.DefaultTTL)
		if len(server.Records("book")) != 0 {
			t.Error("somebody still keeps the record")
		}
	})
}

// outage is a registry that accepts one record and is not heard of again.
type outage struct {
	*memory.Registry
	record lostLease
	began  atomic.Bool
}

func (o *outage) Register(context.Context, adsum.Instance, adsum.RegisterOptions) (adsum.Lease, error) {
	if o.began.Swap(true) {
		return nil, errOutage
	}
	return &o.record, nil
}

var errOutage = errors.New("no answer")

// lostLease is one that was not renewed for its TTL, for want of an answer.
type lostLease struct{ closed atomic.Int32 }

func (*lostLease) Claim() adsum.Claim                           { return adsum.Claim{Incarnation: 1} }
func (*lostLease) Update(context.Context, adsum.Instance) error { return adsum.ErrLeaseLost }
func (*lostLease) Err() error                                   { return adsum.ErrLeaseLost }

func (*lostLease) Lost() <-chan struct{} {
	lost := make(chan struct{})
	close(lost)
	return lost
}

func (l *lostLease) Close(context.Context) error {
	l.closed.Add(1)
	return errOutage
}

func TestCloseWithdrawsWhatWasLostInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := &outage{Registry: memory.New()}
		reg, err := adsum.Register(registry, book, quiet)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reg.Wait(t.Context(), func(s adsum.RegistrationState) bool { return s.Lost == 1 }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := reg.Close(t.Context()); !errors.Is(err, errOutage) || registry.record.closed.Load() != 1 {
			t.Errorf("closed %d times, %v", registry.record.closed.Load(), err)
		}
	})
}

func TestARegistrationInFlightCannotUndoClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		client := server.Client()
		client.Slow(time.Second)
		reg, err := adsum.Register(client, book, quiet)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(999 * time.Millisecond)
		if err := reg.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if n := len(server.Records("book")); n != 0 {
			t.Errorf("%d records an hour after Close", n)
		}
	})
}

func TestOfTwoOwnersTheYoungerStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		older := register(t, server.Client(), book)
		moved := book
		moved.Addr = "10.0.0.6:50051"
		register(t, server.Client(), moved)
		state, err := older.Wait(t.Context(), func(s adsum.RegistrationState) bool { return s.Superseded })
		if err != nil || state.Registered || !errors.Is(state.LastError, adsum.ErrSuperseded) {
			t.Fatalf("%+v, %v", state, err)
		}
		<-older.Done()
		if err := older.Close(t.Context()); err != nil {
			t.Error(err)
		}
		found := discover(t, server.Client())
		if len(found) != 1 || found[0].Addr != moved.Addr {
			t.Errorf("found %v", found)
		}
	})
}

func TestAnOlderOwnerThatWasCutOffGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		cutOff := server.Client()
		older := register(t, cutOff, book)
		cutOff.Cut()
		time.Sleep(time.Minute)
		younger := register(t, server.Client(), book)
		cutOff.Heal()
		if _, err := older.Wait(t.Context(), func(s adsum.RegistrationState) bool { return s.Superseded }); err != nil {
			t.Fatal(err)
		}
		if !younger.State().Registered || younger.State().Lost != 0 {
			t.Errorf("the younger: %+v", younger.State())
		}
	})
}

func TestClaimsAreOrderedByTheRegistrysSequence(t *testing.T) {
	for _, test := range []struct {
		name            string
		a, b, sequence  uint64
		aIsYoungerThanB bool
	}{
		{"later in one life", 5, 3, 10, true},
		{"earlier in one life", 3, 5, 10, false},
		{"since the wipe beats before it", 2, 90, 4, true},
		{"before the wipe loses", 90, 2, 4, false},
		{"both before the wipe", 91, 90, 4, true},
	} {
		a, b := adsum.Claim{Incarnation: test.a}, adsum.Claim{Incarnation: test.b}
		if got := a.YoungerThan(b, test.sequence); got != test.aIsYoungerThanB {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	a, b := adsum.Claim{Owner: "a", Incarnation: 3}, adsum.Claim{Owner: "b", Incarnation: 3}
	if a.YoungerThan(b, 9) || !b.YoungerThan(a, 9) {
		t.Error("of two equal claims not exactly one is the younger")
	}
}

func discover(t *testing.T, registry adsum.Registry) []*adsum.Instance {
	t.Helper()
	dir := adsum.NewDirectory(registry, quiet)
	defer dir.Close()
	found, err := dir.Discover(t.Context(), "book", "", false)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestANilLoggerIsTheDefault(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	registry := memory.New()
	defer registry.Close()
	reg, err := adsum.Register(registry, book, adsum.WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Wait(t.Context(), isRegistered); err != nil {
		t.Error(err)
	}
	if err := errors.Join(reg.Close(t.Context()), adsum.NewDirectory(registry, adsum.WithLogger(nil)).Close()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "registered") {
		t.Errorf("logged %q", &log)
	}
}
