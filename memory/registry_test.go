package memory_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

var book = adsum.Instance{ID: "one", Service: "book", Addr: "10.0.0.5:50051"}.WithDefaults()

func register(t *testing.T, r *memory.Registry, in adsum.Instance, ttl time.Duration) adsum.Lease {
	t.Helper()
	lease, err := r.Register(t.Context(), in, adsum.RegisterOptions{TTL: ttl, Claim: adsum.Claim{Owner: "owner of " + in.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// watching collects the sizes of the answers to a watch until ctx ends.
func watching(ctx context.Context, r *memory.Registry) (sizes func() []int, ended <-chan error) {
	var mu sync.Mutex
	var got []int
	done := make(chan error, 1)
	go func() {
		done <- r.Watch(ctx, "book", func(l adsum.Listing) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, len(l.Instances))
		})
	}()
	return func() []int {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(got)
	}, done
}

func TestOpenRefusesOptionsItDoesNotKnow(t *testing.T) {
	if _, err := memory.Open("memory:?typo=1"); !errors.Is(err, adsum.ErrInvalid) {
		t.Fatalf("an unknown option: %v", err)
	}
	r, err := memory.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Register(t.Context(), book, adsum.RegisterOptions{TTL: time.Second}); !errors.Is(err, adsum.ErrClosed) {
		t.Fatalf("register after close: %v", err)
	}
}

func TestARecordOutlivesItsCutClientByItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		owner := server.Client()
		lease := register(t, owner, book, 10*time.Second)
		time.Sleep(time.Hour)
		if len(server.Records("book")) != 1 {
			t.Fatal("a record whose owner lives ran out")
		}
		start := time.Now()
		owner.Cut()
		for len(server.Records("book")) > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		if after := time.Since(start); after < 6*time.Second || after > 11*time.Second {
			t.Fatalf("it ran out after %v, want between two thirds of the TTL and the TTL", after)
		}
		owner.Heal()
		<-lease.Lost()
		if !errors.Is(lease.Err(), adsum.ErrLeaseLost) {
			t.Fatalf("lost because of %v", lease.Err())
		}
	})
}

func TestACutAffectsOneClientOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		cut, whole := server.Client(), server.Client()
		ctx, cancel := context.WithCancel(t.Context())
		sizes, ended := watching(ctx, whole)
		_, broken := watching(ctx, cut)
		synctest.Wait()
		cut.Cut()
		if err := <-broken; !errors.Is(err, memory.ErrUnavailable) {
			t.Fatalf("the watch of the cut client ends with %v", err)
		}
		lease := register(t, whole, book, time.Minute)
		if got := sizes(); got[len(got)-1] != 1 {
			t.Fatalf("the other client sees %v", got)
		}
		if err := lease.Close(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatalf("the watch ends with its context and %v", err)
		}
	})
}

func TestAFrozenServerAnswersWhenItThaws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		client := server.Client()
		server.Freeze()
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Register(hasty, book, adsum.RegisterOptions{TTL: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a frozen server says %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		sizes, ended := watching(ctx, client)
		if got := sizes(); len(got) != 0 {
			t.Fatalf("a frozen server answered %v", got)
		}
		server.Thaw()
		if got := sizes(); len(got) != 1 {
			t.Fatalf("a thawed server answered %v", got)
		}
		stop()
		<-ended
	})
}

func TestASlowServerAnswersLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		server.Slow(3 * time.Second)
		client := server.Client()
		client.Slow(2 * time.Second)
		start := time.Now()
		lease := register(t, client, book, time.Minute)
		if took := time.Since(start); took != 5*time.Second {
			t.Fatalf("it took %v", took)
		}
		if err := lease.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAWatchIsDeafAfterAWipeUntilItsHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		client := server.Client()
		sizes, ended := watching(t.Context(), client)
		sizes()
		time.Sleep(100 * time.Millisecond)
		server.Wipe()
		lease := register(t, server.Client(), book, time.Minute)
		before := len(sizes())
		time.Sleep(500 * time.Millisecond)
		if len(sizes()) != before {
			t.Fatal("a watch from before the wipe hears what came after it")
		}
		if err := <-ended; err == nil {
			t.Fatal("the heartbeat does not find that the server lost its memory")
		}
		if err := lease.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnIdleWatchGivesASignOfLifeAtEveryHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := memory.New()
		ctx, cancel := context.WithCancel(t.Context())
		sizes, ended := watching(ctx, client)
		time.Sleep(10*client.Capabilities().Heartbeat + time.Millisecond)
		if got := len(sizes()); got != 11 {
			t.Fatalf("%d answers in ten heartbeats, want the first and ten", got)
		}
		cancel()
		<-ended
		if open := client.Server().Watches(); open != 0 {
			t.Fatalf("%d watches are still open", open)
		}
	})
}

func TestRestoreGoesBackToTheBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		client := server.Client()
		older := register(t, client, book, time.Minute)
		backup := server.Backup()
		second := book
		second.ID = "two"
		newer := register(t, client, second, time.Minute)
		writes := server.Writes()
		server.Restore(backup)
		if records := server.Records("book"); len(records) != 1 || records["one"].Owner == "" {
			t.Fatalf("restored are %v", records)
		}
		if server.Writes() <= writes {
			t.Fatal("a restore counts as no write")
		}
		<-newer.Lost()
		for _, lease := range []adsum.Lease{older, newer} {
			if err := lease.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if records := server.Records("book"); len(records) != 0 {
			t.Fatalf("left are %v", records)
		}
	})
}
