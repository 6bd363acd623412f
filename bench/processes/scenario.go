package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/adsum-go/adsum/bench/scenarios"
)

// What all of them have in common.
const (
	copies   = 6
	rate     = 600 // calls a second, a quarter of what six servers bear
	patience = time.Second
	warm     = time.Second
)

// scenario is one of S4 to S7.
type scenario struct {
	key    string
	lasts  time.Duration // after warm
	server func(i int) []string
	// happens runs beside the calls.
	happens func(ctx context.Context, f *fleet) error
	// gently is the same as our lifecycle does it.
	gently func(ctx context.Context, f *fleet) error
	// from is when errors are counted apart.
	from time.Duration
}

func (s scenario) gentle() scenario {
	s.happens = s.gently
	return s
}

var list = []scenario{
	{key: "S4", lasts: 8 * time.Second, server: one("-slower", "10")},
	{key: "S5", lasts: 8 * time.Second, server: one("-fails")},
	{key: "S6", lasts: 13 * time.Second, server: none, happens: killed, gently: finished},
	{key: "S7", lasts: 10 * time.Second, server: none, happens: frozen, from: 3 * time.Second},
}

func none(int) []string { return nil }

// one lets one server be otherwise than the others.
func one(args ...string) func(i int) []string {
	return func(i int) []string {
		if i == 1 {
			return args
		}
		return nil
	}
}

const (
	period = 2 * time.Second
	away   = time.Second
)

// killed restarts one server after the other, without a word to anybody.
func killed(ctx context.Context, f *fleet) error {
	for _, p := range f.copies {
		if !wait(ctx, period-away) {
			return nil
		}
		p.kill()
		if !wait(ctx, away) {
			return nil
		}
		if err := p.start(); err != nil {
			return err
		}
	}
	return nil
}

// finished withdraws a server first, gives the news time, and lets it finish.
func finished(ctx context.Context, f *fleet) error {
	for _, p := range f.copies {
		if err := p.registration.Close(ctx); err != nil {
			return err
		}
		if !wait(ctx, 600*time.Millisecond) {
			return nil
		}
		p.finish()
		if !wait(ctx, away) {
			return nil
		}
		if err := p.start(); err != nil {
			return err
		}
		if err := f.register(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// frozen stops a third of the servers after two seconds.
func frozen(ctx context.Context, f *fleet) error {
	if wait(ctx, 2*time.Second) {
		for _, p := range f.copies[:copies/3] {
			p.freeze()
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// outcome is how a call ended, and when it was due.
type outcome struct {
	due, took time.Duration
	failed    bool
}

func (s scenario) run(ctx context.Context, c contestant) (r scenarios.Process, err error) {
	f, err := newFleet(ctx, copies, s.server)
	if err != nil {
		return r, err
	}
	defer f.close()
	call, stop, err := c.dial(f)
	if err != nil {
		return r, err
	}
	defer stop()
	load(ctx, call, warm)
	trouble := make(chan error, 1)
	happening, end := context.WithCancel(ctx)
	go func() {
		if s.happens == nil {
			trouble <- nil
			return
		}
		trouble <- s.happens(happening, f)
	}()
	outcomes := load(ctx, call, s.lasts)
	end()
	if err := <-trouble; err != nil {
		return r, err
	}
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	return s.sum(c, outcomes), nil
}

// load calls at random times, whether answers come or not.
func load(ctx context.Context, call func(context.Context) error, lasts time.Duration) (list []outcome) {
	var mu sync.Mutex
	var calls sync.WaitGroup
	start := time.Now()
	for due := time.Duration(0); due < lasts && wait(ctx, time.Until(start.Add(due))); due += time.Duration(rand.ExpFloat64() * float64(time.Second) / rate) {
		calls.Go(func() {
			calling, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			err := call(calling)
			o := outcome{due, time.Since(start) - due, err != nil}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, o)
		})
	}
	calls.Wait()
	return list
}

func (s scenario) sum(c contestant, outcomes []outcome) scenarios.Process {
	var took []time.Duration
	r := scenarios.Process{Scenario: s.key, Who: c.name, Calls: len(outcomes), From: s.from.Seconds()}
	late, lateFailed := 0, 0
	for _, o := range outcomes {
		took = append(took, o.took)
		if o.failed {
			r.Failed++
		}
		if s.from > 0 && o.due >= s.from {
			late++
			if o.failed {
				lateFailed++
			}
		}
	}
	if late > 0 {
		r.FailedLate = 100 * float64(lateFailed) / float64(late)
	}
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1e3 }
	r.P50, r.P99, r.P999 = at(0.5), at(0.99), at(0.999)
	return r
}
