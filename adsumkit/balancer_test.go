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

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kitlb "github.com/go-kit/kit/sd/lb"
	"github.com/go-kit/log"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

// stacks are the ways to put go-kit's parts and ours together. Each must
// behave the same towards a program.
var stacks = []struct {
	name  string
	build func(*world, *servers) kitlb.Balancer
}{
	{"go-kit on our instancer", func(w *world, s *servers) kitlb.Balancer {
		e := sd.NewEndpointer(w.instancer(), s.factory, log.NewNopLogger())
		w.t.Cleanup(e.Close)
		return kitlb.NewRoundRobin(e)
	}},
	{"go-kit on our endpointer", func(w *world, s *servers) kitlb.Balancer {
		return kitlb.NewRoundRobin(w.endpointer(s))
	}},
	{"ours", func(w *world, s *servers) kitlb.Balancer {
		return adsumkit.NewBalancer(w.endpointer(s), lb.RoundRobin)
	}},
}

func onEveryStack(t *testing.T, test func(t *testing.T, w *world, s *servers, b kitlb.Balancer)) {
	for _, stack := range stacks {
		t.Run(stack.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.publishAll("a:1", "b:1", "c:1")
				s := newServers()
				b := stack.build(w, s)
				synctest.Wait()
				test(t, w, s, b)
			})
		})
	}
}

func TestCallsGoRound(t *testing.T) {
	onEveryStack(t, func(t *testing.T, _ *world, s *servers, b kitlb.Balancer) {
		for range 6 {
			call, err := b.Endpoint()
			if err != nil {
				t.Fatal(err)
			}
			ask(t, call, 1)
		}
		got := s.called()
		if !slices.Equal(got[:3], got[3:]) {
			t.Errorf("order changed: %v", got)
		}
		slices.Sort(got)
		if want := []string{"a:1", "a:1", "b:1", "b:1", "c:1", "c:1"}; !slices.Equal(got, want) {
			t.Errorf("called %v", got)
		}
		for _, name := range []string{"a:1", "b:1", "c:1"} {
			if made, _ := s.counts(name); made != 1 {
				t.Errorf("%d endpoints made for %s", made, name)
			}
		}
	})
}

func TestGoKitsRetryGetsPastFailingInstances(t *testing.T) {
	onEveryStack(t, func(t *testing.T, _ *world, s *servers, b kitlb.Balancer) {
		s.fails("a:1", errors.New("down"))
		s.fails("b:1", errors.New("down"))
		for _, answer := range ask(t, kitlb.Retry(3, 3*time.Second, b), 6) {
			if answer != "c:1" {
				t.Errorf("answered by %s", answer)
			}
		}
	})
}

func TestNobodyToCallIsSaidInGoKitsTerms(t *testing.T) {
	onEveryStack(t, func(t *testing.T, w *world, _ *servers, b kitlb.Balancer) {
		for _, reg := range w.registrations {
			if err := reg.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		wait(settled)
		_, err := b.Endpoint()
		if !errors.Is(err, kitlb.ErrNoEndpoints) {
			t.Errorf("error %v", err)
		}
	})
}

func TestTheLastKnownGoodOutlivesTheRegistry(t *testing.T) {
	onEveryStack(t, func(t *testing.T, w *world, s *servers, b kitlb.Balancer) {
		w.server.Down()
		wait(time.Hour)
		for range 6 {
			call, err := b.Endpoint()
			if err != nil {
				t.Fatal(err)
			}
			ask(t, call, 1)
		}
		w.server.Up()
	})
}

func TestAFactoryThatFailsHidesNobody(t *testing.T) {
	for _, stack := range stacks {
		t.Run(stack.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.publishAll("a:1", "b:1")
				s := newServers()
				s.breaks("a:1", errors.New("no route"))
				b := stack.build(w, s)
				synctest.Wait()
				call, err := b.Endpoint()
				if err != nil {
					t.Fatal(err)
				}
				if got := ask(t, call, 1); got[0] != "b:1" {
					t.Errorf("answered by %s", got[0])
				}
			})
		})
	}
}

// ours makes the stack that only we have.
func ours(t *testing.T, addrs ...string) (*world, *servers, *adsumkit.Balancer) {
	w := newWorld(t)
	w.publishAll(addrs...)
	s := newServers()
	return w, s, adsumkit.NewBalancer(w.endpointer(s), lb.RoundRobin)
}

func pick(t *testing.T, b kitlb.Balancer) endpoint.Endpoint {
	t.Helper()
	call, err := b.Endpoint()
	if err != nil {
		t.Fatal(err)
	}
	return call
}

func TestAFactoryThatFailedIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publishAll("a:1")
		s := newServers()
		s.breaks("a:1", errors.New("no route"))
		b := adsumkit.NewBalancer(w.endpointer(s), lb.RoundRobin)
		_, err := b.Endpoint()
		if !errors.Is(err, kitlb.ErrNoEndpoints) || !strings.Contains(err.Error(), "factory for book/a:1: no route") {
			t.Fatalf("error %v", err)
		}
		wait(10 * time.Minute)
		made, _ := s.counts("a:1")
		if made < 20 || made > 30 { // 1, 2, 4, 8, 16 s, then every 30 s
			t.Errorf("the factory was asked %d times in 10 minutes", made)
		}
		s.breaks("a:1", nil)
		wait(30 * time.Second)
		ask(t, pick(t, b), 1)
	})
}

func TestAnEndpointIsKeptForEveryCallAndPicksWhenCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, b := ours(t, "a:1", "b:1")
		call := pick(t, b)
		if got := ask(t, call, 4); got[0] == got[1] || got[0] != got[2] || got[1] != got[3] {
			t.Errorf("answers %v", got)
		}
		w.publishAll("c:1")
		wait(settled)
		got := ask(t, call, 3)
		slices.Sort(got)
		if !slices.Equal(got, []string{"a:1", "b:1", "c:1"}) {
			t.Errorf("answers %v", got)
		}
	})
}

func TestACloserWaitsForTheCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		regs := w.publishAll("a:1")
		s := newServers()
		b := adsumkit.NewBalancer(w.endpointer(s), lb.RoundRobin)
		release := make(chan struct{})
		s.answers("a:1", func(context.Context) (string, error) {
			<-release
			return "late", nil
		})
		answered := make(chan any)
		go func() {
			response, err := pick(t, b)(t.Context(), nil)
			if err != nil {
				t.Error(err)
			}
			answered <- response
		}()
		synctest.Wait()
		if err := regs[0].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		if _, closed := s.counts("a:1"); closed != 0 {
			t.Fatal("closed under a call")
		}
		close(release)
		if got := <-answered; got != "late" {
			t.Errorf("answer %v", got)
		}
		synctest.Wait()
		if _, closed := s.counts("a:1"); closed != 1 {
			t.Errorf("closed %d times after the call", closed)
		}
	})
}

func TestAnEndpointOutlivesEverythingButItsAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		reg := w.publish(adsum.Instance{ID: "one", Addr: "a:1"})
		s := newServers()
		b := adsumkit.NewBalancer(w.endpointer(s), lb.RoundRobin)
		for _, change := range []func(*adsum.Instance){
			func(in *adsum.Instance) { in.Weight = 5 },
			func(in *adsum.Instance) { in.Status = adsum.Critical },
			func(in *adsum.Instance) { in.Status = adsum.Passing },
		} {
			if err := reg.Update(change); err != nil {
				t.Fatal(err)
			}
			wait(settled)
		}
		if made, closed := s.counts("a:1"); made != 1 || closed != 0 {
			t.Errorf("made %d, closed %d", made, closed)
		}
		if err := reg.Update(func(in *adsum.Instance) { in.Addr = "b:1" }); err != nil {
			t.Fatal(err)
		}
		wait(settled)
		if _, closed := s.counts("a:1"); closed != 1 {
			t.Errorf("the old address' closer ran %d times", closed)
		}
		if got := ask(t, pick(t, b), 1); got[0] != "b:1" {
			t.Errorf("answered by %s", got[0])
		}
	})
}

func TestAFactoryIsAskedAnewWhenItsStringChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := func(p string) func(*adsum.Instance) {
			return func(in *adsum.Instance) { in.Metadata = map[string]string{"path": p} }
		}
		reg := w.publish(adsum.Instance{Addr: "a:1", Metadata: map[string]string{"path": "/v1"}})
		s := newServers()
		e := adsumkit.NewEndpointer(w.instancer(adsumkit.WithText(func(in *adsum.Instance) string { return in.Addr + in.Metadata["path"] })), s.factory)
		defer e.Close()
		b := adsumkit.NewBalancer(e, lb.RoundRobin)
		for _, p := range []string{"/v1", "/v2", "/v1"} {
			if err := reg.Update(path(p)); err != nil {
				t.Fatal(err)
			}
			wait(settled)
			if got := ask(t, pick(t, b), 1); got[0] != "a:1"+p {
				t.Errorf("answered by %s, want the one at %s", got[0], p)
			}
		}
		if _, closed := s.counts("a:1/v2"); closed != 1 {
			t.Errorf("/v2 was closed %d times", closed)
		}
	})
}

func TestInstancesComeAndGoWithoutAFailedCall(t *testing.T) {
	for _, stack := range stacks[1:] { // go-kit's own endpointer closes under calls
		t.Run(stack.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				regs := w.publishAll("a:1", "b:1", "c:1")
				s := newServers()
				for _, name := range []string{"a:1", "b:1", "c:1"} {
					s.answers(name, func(context.Context) (string, error) {
						time.Sleep(3 * time.Millisecond)
						return name, nil
					})
				}
				b := stack.build(w, s)
				ctx, cancel := context.WithCancel(t.Context())
				var callers sync.WaitGroup
				for range 4 {
					callers.Go(func() {
						for ctx.Err() == nil {
							call, err := b.Endpoint()
							if err != nil {
								t.Error(err)
								return
							}
							time.Sleep(time.Millisecond) // it is used a moment later
							if _, err := call(t.Context(), nil); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				for n := range 30 {
					if err := regs[n%3].Close(t.Context()); err != nil {
						t.Fatal(err)
					}
					wait(20 * time.Millisecond)
					regs[n%3] = w.publishAll([]string{"a:1", "b:1", "c:1"}[n%3])[0]
					wait(20 * time.Millisecond)
				}
				cancel()
				callers.Wait()
				if made, closed := s.counts("a:1"); made != 11 || closed != 10 {
					t.Errorf("made %d, closed %d, want 11 and 10", made, closed)
				}
			})
		})
	}
}

func TestPinKeepsCallsOnOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, b := ours(t, "a:1", "b:1", "c:1")
		call := pick(t, b)
		ctx := lb.Pin(t.Context())
		first, err := call(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if got, err := call(ctx, nil); err != nil || got != first {
				t.Errorf("got %v, %v; want %v", got, err, first)
			}
		}
	})
}

func TestTheNewestBalancerSharesTheEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publishAll("a:1", "b:1")
		s := newServers()
		e := w.endpointer(s)
		ask(t, pick(t, adsumkit.NewBalancer(e, lb.RoundRobin)), 2)
		ask(t, pick(t, adsumkit.NewBalancer(e, lb.Random)), 20)
		if made, _ := s.counts("a:1"); made != 1 {
			t.Errorf("made %d", made)
		}
	})
}

func TestCloseRunsEveryCloserAndEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publishAll("a:1", "b:1")
		s := newServers()
		e := w.endpointer(s)
		call := pick(t, adsumkit.NewBalancer(e, lb.RoundRobin))
		kept, err := e.Endpoints()
		if err != nil || len(kept) != 2 {
			t.Fatalf("%d endpoints, %v", len(kept), err)
		}
		e.Close()
		e.Close()
		for _, name := range []string{"a:1", "b:1"} {
			if _, closed := s.counts(name); closed != 1 {
				t.Errorf("%s closed %d times", name, closed)
			}
		}
		for _, call := range append(kept, call) {
			if _, err := call(t.Context(), nil); !errors.Is(err, kitlb.ErrNoEndpoints) || !errors.Is(err, lb.ErrNoEndpoint) {
				t.Errorf("a call after Close: %v", err)
			}
		}
	})
}

func TestUnknownHasNoEndpointsAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.server.Down()
		e := w.endpointer(newServers())
		if _, err := e.Endpoints(); !errors.Is(err, adsum.ErrNoSnapshot) {
			t.Errorf("endpoints: %v", err)
		}
		_, err := adsumkit.NewBalancer(e, lb.RoundRobin).Endpoint()
		if !errors.Is(err, kitlb.ErrNoEndpoints) || !strings.Contains(err.Error(), "nothing is known of the service yet") {
			t.Errorf("balancer: %v", err)
		}
		w.server.Up()
	})
}

// learner is a policy that notes outcomes.
type learner struct{ outcomes *[]lb.Outcome }

func (l learner) Name() string { return "learner" }

func (l learner) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return &learning{l, endpoints}
}

type learning struct {
	learner
	endpoints []*lb.Endpoint
}

func (l *learning) Pick(*lb.Call) *lb.Endpoint { return l.endpoints[0] }
func (l *learning) Done(_ *lb.Endpoint, outcome lb.Outcome) {
	*l.outcomes = append(*l.outcomes, outcome)
}

func TestThePolicyLearnsHowCallsEnd(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	notFound := errors.New("not found")
	tests := []struct {
		name string
		ctx  context.Context
		in   time.Duration // until its deadline, 0 for none
		err  error
		want lb.Outcome
	}{
		{"success", context.Background(), 0, nil, lb.Outcome{Result: lb.Success}},
		{"failure", context.Background(), 0, errors.New("down"), lb.Outcome{Result: lb.Failure}},
		{"an answer", context.Background(), 0, adsumkit.Permanent(errors.New("no such book")), lb.Outcome{Result: lb.Success}},
		{"never sent", context.Background(), 0, adsumkit.NotSent(errors.New("rate limited")), lb.Outcome{Result: lb.Ignored}},
		{"caller gone", gone, 0, context.Canceled, lb.Outcome{Result: lb.Ignored}},
		{"deadline", context.Background(), time.Second, errors.New("down"), lb.Outcome{Result: lb.Failure, Deadline: time.Second}},
		{"its time was over", context.Background(), -time.Second, context.DeadlineExceeded, lb.Outcome{Result: lb.Ignored, Deadline: -time.Second}},
		{"judged by the program", context.Background(), 0, notFound, lb.Outcome{Result: lb.Success}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.publishAll("a:1")
				s := newServers()
				s.fails("a:1", test.err)
				var outcomes []lb.Outcome
				b := adsumkit.NewBalancer(w.endpointer(s), learner{&outcomes}, func(b *adsumkit.Balancer) {
					if test.err == notFound {
						adsumkit.WithResult(func(context.Context, error) lb.Result { return lb.Success })(b)
					}
				})
				ctx := test.ctx
				if test.in != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.in)
					defer cancel()
				}
				if _, err := pick(t, b)(ctx, nil); !errors.Is(err, test.err) {
					t.Fatal(err)
				}
				if !slices.Equal(outcomes, []lb.Outcome{test.want}) {
					t.Errorf("outcomes %+v, want %+v", outcomes, test.want)
				}
			})
		})
	}
}

func TestAPanicInAnEndpointIsAFailureAndReleasesTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		regs := w.publishAll("a:1")
		s := newServers()
		s.answers("a:1", func(context.Context) (string, error) { panic("nil map") })
		var outcomes []lb.Outcome
		call := pick(t, adsumkit.NewBalancer(w.endpointer(s), learner{&outcomes}))
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = call(t.Context(), nil)
		}()
		if err := regs[0].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait(settled)
		if _, closed := s.counts("a:1"); closed != 1 || outcomes[0].Result != lb.Failure {
			t.Errorf("closed %d times, outcomes %+v", closed, outcomes)
		}
	})
}
