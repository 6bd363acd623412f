package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

// steady is a check without jitter, so that tests can count.
func steady(p health.Prober) health.Check {
	return health.Check{Name: "app", Probe: p, Interval: time.Second, Timeout: time.Second / 2, Jitter: -1}
}

// wait lets virtual time pass, and everything due in it happen.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAnInstanceIsStartingUntilTheFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{err: errDown}
		check := steady(probe)
		check.InitialDelay = time.Second
		c := start(t, check)
		expectStatus(t, c, adsum.Starting, "app: no result yet")
		wait(time.Minute)
		expectStatus(t, c, adsum.Starting, "app: down")
		probe.set(nil)
		wait(time.Second)
		expectStatus(t, c, adsum.Passing, "")
	})
}

func TestAStartingCheckIsAskedSoonerThanItsInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{err: errDown}
		check := steady(probe)
		check.Interval = 10 * time.Second
		c := start(t, check)
		wait(0)
		probe.set(nil)
		wait(100 * time.Millisecond)
		expectStatus(t, c, adsum.Passing, "")
		wait(9 * time.Second)
		if n := probe.count(); n != 2 {
			t.Fatalf("asked %d times, want 2: after the first pass the interval holds", n)
		}
	})
}

func TestFailuresInARowMakeItCriticalAndPassesBringItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{}
		check := steady(probe)
		check.Rise, check.Fall = 2, 3
		c := start(t, check)
		wait(time.Millisecond)
		expectStatus(t, c, adsum.Passing, "")

		probe.set(errDown)
		wait(2 * time.Second)
		expectStatus(t, c, adsum.Passing, "")
		probe.set(nil) // two failures are forgotten
		wait(time.Second)
		probe.set(errDown)
		wait(2 * time.Second)
		expectStatus(t, c, adsum.Passing, "")
		wait(time.Second)
		expectStatus(t, c, adsum.Critical, "app: down")

		probe.set(nil)
		wait(time.Second)
		expectStatus(t, c, adsum.Critical, "app: down")
		wait(time.Second)
		expectStatus(t, c, adsum.Passing, "")
	})
}

func TestTheWorstCheckDecidesAndIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		web, db, disk := &switchable{}, &switchable{}, &switchable{}
		named := func(name string, p health.Prober) health.Check {
			check := steady(p)
			check.Name, check.Fall = name, 1
			return check
		}
		warning := named("disk", disk)
		warning.WarningOnly = true
		c := start(t, named("web", web), named("db", db), warning)
		wait(time.Millisecond)
		expectStatus(t, c, adsum.Passing, "")
		disk.set(errors.New("91% full"))
		wait(time.Second)
		expectStatus(t, c, adsum.Warning, "disk: 91% full")
		if err := c.Ready(t.Context()); err != nil {
			t.Errorf("a warning is no reason to refuse calls: %v", err)
		}
		db.set(errDown)
		wait(time.Second)
		expectStatus(t, c, adsum.Critical, "db: down")
		web.set(errors.New("status 500"))
		wait(time.Second)
		expectStatus(t, c, adsum.Critical, "web: status 500; db: down")
		if err := c.Ready(t.Context()); !errors.Is(err, health.ErrUnhealthy) || !strings.Contains(err.Error(), "db: down") {
			t.Errorf("Ready: %v", err)
		}
		web.set(nil)
		db.set(nil)
		wait(time.Second)
		expectStatus(t, c, adsum.Warning, "disk: 91% full")
	})
}

func TestAWarningOnlyCheckDoesNotKeepTheInstanceFromStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := steady(&switchable{err: errDown})
		disk.Name, disk.WarningOnly = "disk", true
		c := start(t, steady(&switchable{}), disk)
		wait(time.Millisecond)
		expectStatus(t, c, adsum.Warning, "disk: down")
	})
}

func TestEveryCheckMustHavePassedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := steady(&switchable{})
		late.Name, late.InitialDelay = "late", 3*time.Second
		c := start(t, steady(&switchable{}), late)
		wait(2900 * time.Millisecond)
		expectStatus(t, c, adsum.Starting, "late: no result yet")
		wait(200 * time.Millisecond)
		expectStatus(t, c, adsum.Passing, "")
	})
}

func TestAProbeThatTakesTooLongFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := health.Func(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		c := start(t, steady(slow))
		wait(600 * time.Millisecond)
		expectStatus(t, c, adsum.Starting, "app: no answer within 500ms")
		if r := c.Report().Checks[0].Results[0]; r.Latency != 500*time.Millisecond || !r.Time.Equal(epoch) {
			t.Errorf("result %+v", r)
		}
	})
}

func TestAProbeThatIgnoresItsTimeoutIsNotAskedTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		calls := 0
		hung := health.Func(func(context.Context) error {
			calls++
			<-release
			return nil
		})
		c := start(t, steady(hung))
		wait(10 * time.Second)
		if calls != 1 {
			t.Fatalf("%d calls at once", calls)
		}
		results := c.Report().Checks[0].Results
		if last := results[len(results)-1].Err; last == nil || !strings.Contains(last.Error(), "still has not returned") {
			t.Errorf("last result: %v", last)
		}
		close(release)
		wait(2 * time.Second)
		expectStatus(t, c, adsum.Passing, "")
	})
}

func TestAPanicInACheckIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, steady(health.Func(func(context.Context) error { panic("nil map") })))
		wait(time.Millisecond)
		expectStatus(t, c, adsum.Starting, "app: the check panicked: nil map")
	})
}

func TestHistoryIsBoundedAndOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := steady(&switchable{})
		check.History = 4
		c := start(t, check)
		wait(9500 * time.Millisecond)
		var at []time.Duration
		for _, r := range c.Report().Checks[0].Results {
			at = append(at, r.Time.Sub(epoch))
		}
		if want := []time.Duration{6e9, 7e9, 8e9, 9e9}; !slices.Equal(at, want) {
			t.Fatalf("results at %v, want %v", at, want)
		}
	})
}

func TestJitterMovesEveryProbeWithinItsBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		check := steady(&switchable{})
		check.Jitter, check.History = 0.5, 1000
		c := start(t, check)
		wait(900 * time.Second)
		results := c.Report().Checks[0].Results
		different := map[time.Duration]bool{}
		for i := 1; i < len(results); i++ {
			gap := results[i].Time.Sub(results[i-1].Time)
			if gap < time.Second/2 || gap > 3*time.Second/2 {
				t.Fatalf("gap of %v", gap)
			}
			different[gap] = true
		}
		if len(different) < len(results)/2 {
			t.Errorf("%d different gaps of %d", len(different), len(results))
		}
	})
}

func TestStatusFlowsIntoTheRegistrationOnEdgesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{}
		check := steady(probe)
		check.InitialDelay = time.Second
		c := start(t, check)
		reg := newRecorder(adsum.Passing)
		c.Attach(reg)
		wait(time.Minute)
		probe.set(errors.New("dial tcp 127.0.0.1:1234"))
		wait(time.Minute)
		probe.set(errors.New("dial tcp 127.0.0.1:5678")) // another text of the same failure
		wait(time.Minute)
		probe.set(nil)
		wait(time.Minute)
		want := []string{"starting (app: no result yet)", "passing", "critical (app: dial tcp 127.0.0.1:1234)", "passing"}
		if got := reg.get(); !slices.Equal(got, want) {
			t.Fatalf("published\n%q, want\n%q", got, want)
		}
	})
}

func TestHealthDoesNotEndADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, steady(&switchable{}))
		reg := newRecorder(adsum.Starting)
		c.Attach(reg)
		if err := reg.Update(func(in *adsum.Instance) { in.Status, in.Reason = adsum.Draining, "shutting down" }); err != nil {
			t.Fatal(err)
		}
		wait(time.Minute)
		if got := reg.get(); got[len(got)-1] != "draining (shutting down)" {
			t.Fatalf("published %q", got)
		}
	})
}

func TestNothingIsPublishedAfterDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{}
		c := start(t, steady(probe))
		reg := newRecorder(adsum.Starting)
		detach := c.Attach(reg)
		wait(time.Second)
		detach()
		detach()
		probe.set(errDown)
		wait(time.Minute)
		if got := reg.get(); got[len(got)-1] != "passing" {
			t.Fatalf("published %q", got)
		}
		expectStatus(t, c, adsum.Critical, "app: down")
	})
}

func TestAReasonIsFitForARecordWhateverTheErrorHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{err: errors.New("\x1b[31mred\xff\n\u0085" + strings.Repeat("é", 300))}
		c := start(t, steady(probe))
		reg := newRecorder(adsum.Passing)
		c.Attach(reg)
		wait(time.Second)
		_, reason := c.Status()
		if len(reason) > 256 || !strings.HasPrefix(reason, "app:  [31mred?  éé") || !strings.HasSuffix(reason, "…") {
			t.Errorf("reason %q", reason)
		}
		if got := reg.get(); got[len(got)-1] != describe(adsum.Starting, reason) {
			t.Errorf("published %q", got)
		}
	})
}

func TestWaitReadyReturnsWithTheFirstPassOrTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{err: errDown}
		c := start(t, steady(probe))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := c.WaitReady(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, health.ErrUnhealthy) {
			t.Fatalf("got %v", err)
		}
		probe.set(nil)
		if err := c.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

type closable struct {
	switchable
	closed int
}

func (c *closable) Close() error {
	c.closed++
	return nil
}

func TestCloseStopsProbesAndClosesThemOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &closable{}
		c := start(t, steady(probe))
		wait(time.Second)
		for range 2 {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		asked := probe.count()
		wait(time.Minute)
		if probe.count() != asked || probe.closed != 1 {
			t.Fatalf("asked %d times after Close, closed %d times", probe.count()-asked, probe.closed)
		}
		expectStatus(t, c, adsum.Passing, "")
	})
}

func TestCloseDuringAProbeCountsAsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := health.Func(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		c := start(t, steady(hanging))
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if results := c.Report().Checks[0].Results; len(results) != 0 {
			t.Fatalf("results %+v", results)
		}
	})
}

func TestAReportReadsAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, steady(&switchable{err: errDown}))
		synctest.Wait()
		got, err := json.Marshal(c.Report())
		if err != nil {
			t.Fatal(err)
		}
		const want = `{"status":"starting","reason":"app: down","since":"2000-01-01T00:00:00Z","checks":[{"name":"app",` +
			`"status":"starting","reason":"down","since":"2000-01-01T00:00:00Z","results":[` +
			`{"time":"2000-01-01T00:00:00Z","latency_seconds":0,"error":"down"}]}]}`
		if strings.ReplaceAll(string(got), epoch.Local().Format(time.RFC3339), "2000-01-01T00:00:00Z") != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestBadSettingsAreRefusedBeforeAnythingStarts(t *testing.T) {
	fine := health.Func(func(context.Context) error { return nil })
	tests := []struct {
		name   string
		checks []health.Check
		want   string
	}{
		{"no check", nil, "give at least one"},
		{"no probe", []health.Check{{Name: "web"}}, "check 1 (web): invalid check web: it has no probe"},
		{"nil function", []health.Check{{Probe: health.Func(nil)}}, "the function is nil"},
		{"timeout over interval", []health.Check{{Probe: fine, Interval: time.Second, Timeout: 2 * time.Second}}, "invalid timeout 2s: it is longer than the interval of 1s"},
		{"negative interval", []health.Check{{Probe: fine, Interval: -time.Second}}, "invalid interval -1s"},
		{"negative delay", []health.Check{{Probe: fine, InitialDelay: -1}}, "invalid initial delay"},
		{"negative threshold", []health.Check{{Probe: fine, Fall: -1}}, "invalid threshold -1"},
		{"wild jitter", []health.Check{{Probe: fine, Jitter: 2}}, "invalid jitter 2"},
		{"negative history", []health.Check{{Probe: fine, History: -1}}, "invalid history"},
		{"same name", []health.Check{{Name: "a", Probe: fine}, {Name: "a", Probe: fine}}, "two checks have it"},
		{"bad probe", []health.Check{{Name: "ok", Probe: fine}, {Probe: health.TCP{Addr: "nowhere"}}}, "check 2 (tcp://nowhere): invalid address nowhere"},
		{"no ttl", []health.Check{{Probe: health.NewBeat(0)}}, "invalid ttl 0s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := health.Start(test.checks)
			if c != nil || !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, %v; want %q", c, err, test.want)
			}
		})
	}
}
