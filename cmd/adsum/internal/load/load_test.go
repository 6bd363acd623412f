package load_test

import (
	"context"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/cmd/adsum/internal/load"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

// stalling is a server that answers in a millisecond, but nobody from half a
// second on until a second has passed.
func stalling(start time.Time) {
	if at := time.Since(start); at >= 500*time.Millisecond && at < time.Second {
		time.Sleep(time.Second - at)
	}
	time.Sleep(time.Millisecond)
}

func TestAStallCountsForEveryCallThatWasDueInIt(t *testing.T) {
	for _, inFlight := range []int{1, 1000} {
		synctest.Test(t, func(t *testing.T) {
			var tally load.Tally
			start := time.Now()
			plan := load.Plan{Rate: 100, Duration: 2 * time.Second, InFlight: inFlight}
			unsent := plan.Run(t.Context(), func(due time.Time) {
				stalling(start)
				tally.Add(load.Result{ID: "a", Latency: time.Since(due)})
			})
			s := tally.Summary()
			if s.Calls != 200 || unsent != 0 {
				t.Fatalf("%d calls, %d unsent", s.Calls, unsent)
			}
			// 50 of 200 calls were due in it: the 90th percentile is well inside.
			if s.Latency.P90 < 0.25 || s.Latency.P90 > 0.4 || s.Latency.Max < 0.49 {
				t.Errorf("with %d in flight: %+v", inFlight, s.Latency)
			}
			if s.Latency.P50 > 0.002 {
				t.Errorf("half of the calls were not in it: %+v", s.Latency)
			}
		})
	}
}

func TestCallsThatTimeDidNotAllowAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flying, most, fired atomic.Int64
		plan := load.Plan{Rate: 100, Duration: time.Second, InFlight: 5}
		unsent := plan.Run(t.Context(), func(time.Time) {
			fired.Add(1)
			most.Store(max(most.Load(), flying.Add(1)))
			time.Sleep(10 * time.Second)
			flying.Add(-1)
		})
		if fired.Load() != 5 || unsent != 95 || most.Load() != 5 {
			t.Errorf("%d fired, %d unsent, %d at once", fired.Load(), unsent, most.Load())
		}
	})
}

func TestAPlanEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 255*time.Millisecond)
		defer cancel()
		var fired atomic.Int64
		unsent := load.Plan{Rate: 100, Duration: time.Hour, InFlight: 10}.Run(ctx, func(time.Time) { fired.Add(1) })
		if fired.Load() != 26 || unsent != 0 {
			t.Errorf("%d fired, %d unsent", fired.Load(), unsent)
		}
	})
}

func TestATallyCountsByCopyAndByError(t *testing.T) {
	var tally load.Tally
	if s := tally.Summary(); s.Calls != 0 || s.Copies == nil {
		t.Errorf("empty: %+v", s)
	}
	for range 99 {
		tally.Add(load.Result{ID: "b", Addr: "b:1", Latency: 10 * time.Millisecond})
	}
	tally.Add(load.Result{ID: "a", Addr: "a:1", Latency: 2 * time.Hour, Error: "Unavailable"})
	s := tally.Take()
	if s.Calls != 100 || s.Failed != 1 || s.Errors["Unavailable"] != 1 || len(s.Copies) != 2 || s.Copies[0].Addr != "a:1" || s.Copies[1].Calls != 99 {
		t.Errorf("%+v", s)
	}
	if math.Abs(s.Latency.P99-0.010) > 0.0002 || math.Abs(s.Latency.Max-3600) > 36 {
		t.Errorf("%+v", s.Latency)
	}
	if s := tally.Take(); s.Calls != 0 || len(s.Copies) != 0 || len(s.Errors) != 0 {
		t.Errorf("taken twice: %+v", s)
	}
}
