package adsumkit_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
)

// loads is a policy that calls the first endpoint, and keeps what is told.
type loads struct {
	mu   sync.Mutex
	told []lb.Load
}

func (*loads) Name() string      { return "loads" }
func (*loads) Needs() lb.Signals { return lb.Loads }
func (l *loads) Build(_ *lb.Env, eps []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return &loadsPicker{l, eps}
}

type loadsPicker struct {
	*loads
	endpoints []*lb.Endpoint
}

func (p *loadsPicker) Pick(*lb.Call) *lb.Endpoint    { return p.endpoints[0] }
func (p *loadsPicker) Done(*lb.Endpoint, lb.Outcome) {}

func (p *loadsPicker) Loaded(_ *lb.Endpoint, l lb.Load) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, l)
}

// since returns what was told since the last time.
func (l *loads) since() []lb.Load {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told
	l.told = nil
	return told
}

// trailers stand for gRPC's metadata.MD.
type trailers map[string][]string

func TestWhatServersTellOfTheirLoadReachesThePolicy(t *testing.T) {
	report := load.Report{Load: lb.Load{Known: true, InFlight: 7, Utilization: 0.5}, Application: 0.5}
	text, binary := string(report.AppendText(nil)), string(report.AppendBinary(nil))
	header := func(values ...string) func(context.Context) {
		return func(ctx context.Context) {
			adsumkit.LoadFromHTTP(ctx, &http.Response{Header: http.Header{load.Header: values}})
		}
	}
	trailer := func(values ...string) func(context.Context) {
		return func(ctx context.Context) {
			adsumkit.LoadFromGRPC(ctx, nil, trailers{load.TrailerKey: values})
		}
	}
	for name, tell := range map[string]struct {
		how   func(context.Context)
		known bool
	}{
		"a header":          {header(text), true},
		"no header":         {header(), false},
		"two headers":       {header(text, text), false},
		"a broken header":   {header("TEXT cpu_utilization"), false},
		"a trailer":         {trailer(binary), true},
		"no trailer":        {trailer(), false},
		"two trailers":      {trailer(binary, binary), false},
		"a broken trailer":  {trailer("\xff"), false},
		"another transport": {func(ctx context.Context) { adsumkit.TellLoad(ctx, report.Load) }, true},
		"nothing":           {func(ctx context.Context) { adsumkit.TellLoad(ctx, lb.Load{}) }, false},
		"the last of two": {func(ctx context.Context) {
			adsumkit.TellLoad(ctx, lb.Load{Known: true, InFlight: 1})
			adsumkit.TellLoad(ctx, report.Load)
		}, true},
	} {
		for _, failure := range []error{nil, errors.New("down")} {
			synctest.Test(t, func(t *testing.T) {
				world, servers := newWorld(t), newServers()
				world.publishAll("a:1")
				servers.answers("a:1", func(ctx context.Context) (string, error) {
					inner, cancel := context.WithCancel(ctx) // as go-kit's clients do
					defer cancel()
					tell.how(inner)
					return "", failure
				})
				policy := &loads{}
				b := adsumkit.NewBalancer(world.endpointer(servers), policy)
				synctest.Wait()
				_, _ = pick(t, b)(t.Context(), nil)
				var want []lb.Load
				if tell.known {
					want = []lb.Load{report.Load}
				}
				if got := policy.since(); len(got) != len(want) || tell.known && got[0] != want[0] {
					t.Errorf("%s, error %v: told %+v, want %+v", name, failure, got, want)
				}
			})
		}
	}
}

func TestEachTryHasALoadOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, servers := newWorld(t), newServers()
		world.publishAll("a:1", "b:1")
		var first context.Context
		servers.answers("a:1", func(ctx context.Context) (string, error) {
			first = ctx
			adsumkit.TellLoad(ctx, lb.Load{Known: true, InFlight: 1})
			return "", errors.New("down")
		})
		servers.answers("b:1", func(ctx context.Context) (string, error) {
			adsumkit.TellLoad(first, lb.Load{Known: true, InFlight: 3}) // too late
			return "b", nil
		})
		policy := &loads{}
		b := adsumkit.NewBalancer(world.endpointer(servers), policy)
		synctest.Wait()
		ask(t, adsumkit.Retry(2, time.Second, b, adsumkit.Idempotent()), 1)
		if got := policy.since(); len(got) != 1 || got[0].InFlight != 1 {
			t.Errorf("told %+v, want only what the first try was told in time", got)
		}
	})
}

func TestALoadThatNobodyWantsIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, servers := newWorld(t), newServers()
		world.publishAll("a:1")
		servers.answers("a:1", func(ctx context.Context) (string, error) {
			adsumkit.TellLoad(ctx, lb.Load{Known: true, InFlight: 1})
			return "a", nil
		})
		endpointer := world.endpointer(servers)
		b := adsumkit.NewBalancer(endpointer, lb.RoundRobin)
		synctest.Wait()
		ask(t, pick(t, b), 1)
		endpoints, err := endpointer.Endpoints()
		if err != nil {
			t.Fatal(err)
		}
		ask(t, endpoints[0], 1)
		if calls := servers.called(); len(calls) != 2 {
			t.Errorf("called %v", calls)
		}
	})
}
