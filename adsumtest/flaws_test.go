package adsumtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/memory"
)

// flaw is a mistake that drivers have made, and the case that finds it.
type flaw struct {
	name     string
	number   int
	watch    func(next watchFunc) watchFunc
	register func(next registerFunc) registerFunc
}

type (
	watchFunc    func(ctx context.Context, service string, emit func(adsum.Listing)) error
	registerFunc func(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error)
)

// emitting is a flaw in what a watch emits.
func emitting(change func(l adsum.Listing, emit func(adsum.Listing))) func(watchFunc) watchFunc {
	return func(next watchFunc) watchFunc {
		return func(ctx context.Context, service string, emit func(adsum.Listing)) error {
			return next(ctx, service, func(l adsum.Listing) { change(l, emit) })
		}
	}
}

// leasing is a flaw in the leases that Register returns.
func leasing(change func(adsum.Lease) adsum.Lease) func(registerFunc) registerFunc {
	return func(next registerFunc) registerFunc {
		return func(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
			lease, err := next(ctx, in, opts)
			if err != nil {
				return nil, err
			}
			return change(lease), nil
		}
	}
}

type leaseNeverLost struct{ adsum.Lease }

func (leaseNeverLost) Lost() <-chan struct{} { return nil }

type leaseLeftBehind struct{ adsum.Lease }

func (leaseLeftBehind) Close(context.Context) error { return nil }

type leaseWithGaps struct{ adsum.Lease }

func (l leaseWithGaps) Update(ctx context.Context, in adsum.Instance) error {
	in.Service += "-elsewhere" // stands for delete and create
	return l.Lease.Update(ctx, in)
}

var flaws = []flaw{
	{name: "the first answer is incomplete", number: 1, watch: emitting(func(l adsum.Listing, emit func(adsum.Listing)) {
		if len(l.Instances) > 1 {
			emit(adsum.Listing{Instances: slices.Clone(l.Instances[1:])})
		}
		emit(l)
	})},
	{name: "an unknown service is an error", number: 2, watch: func(next watchFunc) watchFunc {
		return func(ctx context.Context, service string, emit func(adsum.Listing)) error {
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			err := next(ctx, service, func(l adsum.Listing) {
				if len(l.Instances) == 0 {
					cancel(errors.New("no such service"))
					return
				}
				emit(l)
			})
			return errors.Join(err, context.Cause(ctx))
		}
	}},
	{name: "tags are lost on the way", number: 4, register: func(next registerFunc) registerFunc {
		return func(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
			in.Tags = nil
			return next(ctx, in, opts)
		}
	}},
	{name: "an update fails silently", number: 7, register: leasing(func(l adsum.Lease) adsum.Lease { return leaseWithGaps{l} })},
	{name: "instances are told apart by address", number: 8, watch: emitting(func(l adsum.Listing, emit func(adsum.Listing)) {
		l.Instances = slices.CompactFunc(l.Instances, func(a, b *adsum.Instance) bool { return a.Addr == b.Addr })
		emit(l)
	})},
	{name: "critical instances are left out", number: 9, watch: emitting(func(l adsum.Listing, emit func(adsum.Listing)) {
		l.Instances = slices.DeleteFunc(l.Instances, func(in *adsum.Instance) bool { return !in.Status.Callable() })
		emit(l)
	})},
	{name: "close leaves the record behind", number: 11, register: leasing(func(l adsum.Lease) adsum.Lease { return leaseLeftBehind{l} })},
	{name: "a lease ends with the context of register", number: 12, register: func(next registerFunc) registerFunc {
		return func(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
			lease, err := next(ctx, in, opts)
			if err == nil {
				context.AfterFunc(ctx, func() { _ = lease.Close(context.Background()) })
			}
			return lease, err
		}
	}},
	{name: "a loss is not noticed", number: 16, register: leasing(func(l adsum.Lease) adsum.Lease { return leaseNeverLost{l} })},
	{name: "an error is emitted as an empty listing", number: 21, watch: func(next watchFunc) watchFunc {
		return func(ctx context.Context, service string, emit func(adsum.Listing)) error {
			err := next(ctx, service, emit)
			if err != nil {
				emit(adsum.Listing{})
			}
			return err
		}
	}},
	{name: "signs of life are made up", number: 22, watch: func(next watchFunc) watchFunc {
		return func(ctx context.Context, service string, emit func(adsum.Listing)) error {
			latest := make(chan adsum.Listing, 100)
			ended := make(chan error, 1)
			go func() { ended <- next(ctx, service, func(l adsum.Listing) { latest <- l }) }()
			ticker := time.NewTicker(100 * time.Millisecond)
			defer ticker.Stop()
			var known adsum.Listing
			for {
				select {
				case err := <-ended:
					return err
				case known = <-latest:
				case <-ticker.C:
				}
				emit(adsum.Listing{Instances: slices.Clone(known.Instances)})
			}
		}
	}},
	{name: "every answer is decoded anew", number: 26, watch: emitting(func(l adsum.Listing, emit func(adsum.Listing)) {
		for i, in := range l.Instances {
			again := in.Clone()
			l.Instances[i] = &again
		}
		emit(l)
	})},
	{name: "the end of the context is an error", number: 28, watch: func(next watchFunc) watchFunc {
		return func(ctx context.Context, service string, emit func(adsum.Listing)) error {
			return errors.Join(next(ctx, service, emit), ctx.Err())
		}
	}},
	{name: "denied is an empty success", number: 29, watch: func(next watchFunc) watchFunc {
		return func(ctx context.Context, service string, emit func(adsum.Listing)) error {
			err := next(ctx, service, emit)
			if !errors.Is(err, adsum.ErrDenied) {
				return err
			}
			emit(adsum.Listing{})
			<-ctx.Done()
			return nil
		}
	}},
	{name: "an empty answer is not passed on", number: 31, watch: emitting(func(l adsum.Listing, emit func(adsum.Listing)) {
		if len(l.Instances) > 0 {
			emit(l)
		}
	})},
	{name: "what cannot be read hides the rest", number: 37, watch: emitting(func(l adsum.Listing, emit func(adsum.Listing)) {
		if len(l.Skipped) > 0 {
			l.Instances = nil
		}
		emit(l)
	})},
	{name: "whoever writes last owns the id", number: 38, register: leasing(func(l adsum.Lease) adsum.Lease { return leaseNeverLost{l} })},
}

// flawed is a driver with one flaw.
type flawed struct {
	adsum.Registry
	flaw flaw
}

func (f *flawed) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	watch := f.Registry.Watch
	if f.flaw.watch != nil {
		return f.flaw.watch(watch)(ctx, service, emit)
	}
	return watch(ctx, service, emit)
}

func (f *flawed) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	register := f.Registry.Register
	if f.flaw.register != nil {
		return f.flaw.register(register)(ctx, in, opts)
	}
	return register(ctx, in, opts)
}

// flawVariable names the flaw to a child process that runs the suite.
const flawVariable = "ADSUMTEST_FLAW"

func TestConformanceFindsTheMistakesOfDrivers(t *testing.T) {
	if name := os.Getenv(flawVariable); name != "" {
		var chosen flaw // the zero flaw is none
		for _, f := range flaws {
			if f.name == name {
				chosen = f
			}
		}
		adsumtest.Conformance(t, flawedHarness(chosen))
		return
	}
	for _, f := range flaws {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			out, err := runFlawed(f.name, f.number)
			if found := fmt.Sprintf("--- FAIL: TestConformanceFindsTheMistakesOfDrivers/%02d_", f.number); err == nil || !strings.Contains(out, found) {
				t.Errorf("case %d does not find it: %v\n%s", f.number, err, out)
			}
			if out, err := runFlawed("none", f.number); err != nil {
				t.Errorf("case %d fails without the flaw too: %v\n%s", f.number, err, out)
			}
		})
	}
}

// runFlawed runs one case on a driver with the flaw, in a process of its own.
func runFlawed(name string, number int) (out string, err error) {
	run := exec.Command(os.Args[0], fmt.Sprintf("-test.run=^TestConformanceFindsTheMistakesOfDrivers$/^%02d_", number))
	run.Env = append(os.Environ(), flawVariable+"="+name)
	text, err := run.CombinedOutput()
	return string(text), err
}

func flawedHarness(f flaw) adsumtest.Harness {
	server := memory.NewServer()
	return adsumtest.Harness{
		Registry: "flawed",
		Connect: func(testing.TB, string) *adsumtest.Client {
			c := server.Client()
			return &adsumtest.Client{Registry: &flawed{c, f}, Cut: c.Cut, Heal: c.Heal, Freeze: c.Freeze, Thaw: c.Thaw}
		},
		TTL:      time.Second,
		Slack:    time.Second,
		Patience: 5 * time.Second,
		Server:   host{server},
		DeleteRecord: func(_ context.Context, _, service, id string) error {
			return server.ExpireLease(service, id)
		},
		Malform: func(_ context.Context, _, service string) error {
			server.PutBroken(service, "garbage")
			return nil
		},
		Denied: func(testing.TB, string) adsum.Registry {
			denied := memory.NewServer()
			denied.Deny()
			return &flawed{denied.Client(), f}
		},
	}
}

// host is a memory server under the control of the suite.
type host struct{ server *memory.Server }

func (h host) Kill() error   { h.server.Down(); return nil }
func (h host) Start() error  { h.server.Up(); return nil }
func (h host) Freeze() error { h.server.Freeze(); return nil }
func (h host) Thaw() error   { h.server.Thaw(); return nil }
func (h host) Wipe() error   { h.server.Wipe(); return nil }
