package load_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/load"
)

func TestAFixedLimitRefusesTheExcess(t *testing.T) {
	a := &load.Admission{Limit: 2, RetryAfter: time.Second}
	first, err := a.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = a.Enter(t.Context())
	var refused *load.RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, load.ErrOverloaded) || refused.Limit != 2 || refused.InFlight != 2 || refused.RetryAfter != time.Second {
		t.Fatalf("the third call: %v", err)
	}
	if err := a.Ask(); !errors.Is(err, load.ErrOverloaded) {
		t.Errorf("a stream: %v", err)
	}
	first.Leave(true, false)
	if err := a.Ask(); err != nil {
		t.Errorf("there is room, and a stream is refused: %v", err)
	}
	if _, err := a.Enter(t.Context()); err != nil || a.InFlight() != 2 || a.Refused() != 2 {
		t.Errorf("%v, %d under way, %d refused", err, a.InFlight(), a.Refused())
	}
}

func TestWhoWaitsIsLetInInTurnOrSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meter := &load.Meter{}
		a := &load.Admission{Limit: 1, Queue: 2, MaxWait: time.Second, Meter: meter}
		first, err := a.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		group.Go(func() {
			if _, err := a.Enter(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("who was cancelled: %v", err)
			}
		})
		synctest.Wait()
		var second load.Ticket
		group.Go(func() {
			ticket, err := a.Enter(t.Context())
			if err != nil {
				t.Errorf("the second: %v", err)
			}
			second = ticket
		})
		synctest.Wait()
		if _, err := a.Enter(t.Context()); !errors.Is(err, load.ErrOverloaded) {
			t.Errorf("the queue is full: %v", err)
		}
		if r := meter.Report(); r.Queue != 2 || r.InFlight != 3 {
			t.Errorf("reported: %d, %d of them waiting", r.InFlight, r.Queue)
		}
		cancel()
		synctest.Wait()
		first.Leave(true, false)
		group.Wait()
		began := time.Now()
		if _, err := a.Enter(t.Context()); !errors.Is(err, load.ErrOverloaded) || time.Since(began) != time.Second {
			t.Errorf("who waited too long: %v after %v", err, time.Since(began))
		}
		second.Leave(true, false)
		if r := meter.Report(); r.Queue != 0 || r.InFlight != 0 || a.InFlight() != 0 {
			t.Errorf("in the end: %+v, %d", r, a.InFlight())
		}
	})
}

// overload puts three times the load on a server with four workers that it can
// bear, of callers that wait for 200 ms, and returns the share of its capacity
// that it answered in time.
func overload(t *testing.T, a *load.Admission, seed uint64) (goodput float64) {
	synctest.Test(t, func(t *testing.T) {
		const workers, service, patience, lasts = 4, 10 * time.Millisecond, 200 * time.Millisecond, 30 * time.Second
		exponential := func(random *rand.Rand, mean time.Duration) time.Duration {
			return time.Duration(-float64(mean) * math.Log(1-random.Float64()))
		}
		arrivals, services := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(seed, seed+1))
		var drawing sync.Mutex // of services
		free := make(chan struct{}, workers)
		var good atomic.Int64
		var group sync.WaitGroup
		for start := time.Now(); time.Since(start) < lasts; time.Sleep(exponential(arrivals, service/(3*workers))) {
			group.Go(func() {
				began := time.Now()
				if a != nil {
					ticket, err := a.Enter(context.Background())
					if err != nil {
						return
					}
					defer func() { ticket.Leave(true, false) }()
				}
				// The server does what it was asked, whether or not
				// somebody still waits for it.
				free <- struct{}{}
				// By who is served and not by who came: callers that are let
				// in at one moment go on in any order.
				drawing.Lock()
				takes := exponential(services, service)
				drawing.Unlock()
				time.Sleep(takes)
				<-free
				if time.Since(began) <= patience {
					good.Add(1)
				}
			})
		}
		group.Wait()
		goodput = float64(good.Load()) / (float64(workers) * lasts.Seconds() / service.Seconds())
	})
	return goodput
}

func TestUnderAnOverloadGoodputStaysWhereItCollapsesWithout(t *testing.T) {
	if without := overload(t, nil, 1); without > 0.05 {
		t.Errorf("without admission control goodput is %.2f of the capacity: the world is too kind", without)
	}
	for name, admission := range map[string]func() *load.Admission{
		"fixed":                 func() *load.Admission { return &load.Admission{Limit: 12} },
		"adaptive":              func() *load.Admission { return &load.Admission{} },
		"adaptive with a queue": func() *load.Admission { return &load.Admission{Queue: 8, MaxWait: 50 * time.Millisecond} },
	} {
		const seeds = 4
		least, mean := 1.0, 0.0
		for seed := range uint64(seeds) {
			g := overload(t, admission(), 3+seed)
			least, mean = min(least, g), mean+g/seeds
		}
		t.Logf("%s: goodput is %.2f of the capacity, %.2f at least", name, mean, least)
		if least < 0.85 {
			t.Errorf("%s: goodput was %.2f of the capacity, want 0.85", name, least)
		}
	}
}

func BenchmarkAdmission(b *testing.B) {
	a := &load.Admission{Meter: &load.Meter{}}
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := a.Enter(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		ticket.Leave(true, false)
	}
}
