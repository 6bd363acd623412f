package adsumkit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

// witness keeps what an observer is told.
type witness struct {
	lb.Clients
	mu    sync.Mutex
	ended []lb.Ended
}

func (w *witness) CallEnded(_ context.Context, call lb.Ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, call)
}

func TestAnObserverIsToldOfEveryCallOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, servers := newWorld(t), newServers()
		world.publishAll("a:1", "b:1")
		servers.fails("a:1", errors.New("down"))
		w := &witness{}
		endpointer := world.endpointer(servers)
		b := adsumkit.NewBalancer(endpointer, lb.RoundRobin, adsumkit.WithObserver(w))
		synctest.Wait()

		ask(t, adsumkit.Retry(3, time.Second, b, adsumkit.Idempotent()), 2)
		for range 2 {
			_, _ = pick(t, b)(t.Context(), nil) // one of them fails
		}
		servers.answers("a:1", func(context.Context) (string, error) { panic("broken") })
		servers.answers("b:1", func(context.Context) (string, error) { panic("broken") })
		func() {
			defer func() { _ = recover() }()
			_, _ = pick(t, b)(t.Context(), nil)
		}()

		if len(w.ended) != 5 {
			t.Fatalf("%d calls ended, want 5: %+v", len(w.ended), w.ended)
		}
		retries, failed := 0, 0
		for i, call := range w.ended {
			if call.Transport != "go-kit" || call.Service != "book" || call.Endpoint == nil {
				t.Errorf("call %d: %+v", i, call)
			}
			retries += call.Tries - 1
			if call.Result == lb.Failure && call.Err != nil {
				failed++
			}
		}
		if retries == 0 || failed != 2 {
			t.Errorf("%d retries, %d calls failed: %+v", retries, failed, w.ended)
		}
		want := lb.CallStats{Calls: 5, Failures: 2, Picks: uint64(5 + retries), Retries: uint64(retries)}
		if got := b.Stats(); got.Calls != want || got.Balancer.Eligible != 2 || len(w.Stats()) != 1 {
			t.Errorf("got %+v, want %+v", got, want)
		}
		endpointer.Close()
		if len(w.Stats()) != 0 {
			t.Error("the observer still sees it")
		}
	})
}
