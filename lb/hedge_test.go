package lb_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// knowing is a hedge that has seen calls of 1 to 100 ms.
func knowing(budget *lb.Budget) *lb.Hedge {
	h := &lb.Hedge{Budget: budget}
	for i := range 100 {
		h.Observe(time.Duration(i+1) * time.Millisecond)
	}
	time.Sleep(time.Second)
	h.Observe(time.Millisecond)
	return h
}

func TestHedgeWaitsAsLongAsNearlyAllCallsTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, known := new(lb.Hedge).Delay(); known {
			t.Error("knows without having seen")
		}
		h := knowing(nil)
		if d, known := h.Delay(); !known || d < 94*time.Millisecond || d > 102*time.Millisecond {
			t.Errorf("%v, %v; want about 95 ms", d, known)
		}
		time.Sleep(20 * time.Second) // and what was seen is forgotten
		h.Observe(time.Millisecond)
		if _, known := h.Delay(); known {
			t.Error("knows by one call")
		}
	})
}

func TestHedgedTakesTheFirstSuccess(t *testing.T) {
	slow, fast := 500*time.Millisecond, 10*time.Millisecond
	tests := []struct {
		name       string
		first      time.Duration
		firstErr   error
		second     time.Duration
		secondErr  error
		idempotent bool
		budget     *lb.Budget
		want       string
		wantErr    error
		took       time.Duration
		sent       int32
	}{
		{"fast", fast, nil, fast, nil, true, nil, "first", nil, fast, 1},
		{"slow", slow, nil, fast, nil, true, nil, "second", nil, 110 * time.Millisecond, 2},
		{"slow, but not safe to repeat", slow, nil, fast, nil, false, nil, "first", nil, slow, 1},
		{"slow, but the budget is spent", slow, nil, fast, nil, true, &lb.Budget{PerSecond: -1}, "first", nil, slow, 1},
		{"both slow", slow, nil, slow, nil, true, nil, "first", nil, slow, 2},
		{"first fails fast", fast, errBroken, fast, nil, true, nil, "", errBroken, fast, 1},
		{"first fails late", slow, errBroken, time.Second, nil, true, nil, "second", nil, 1100 * time.Millisecond, 2},
		{"second fails", slow, nil, fast, errors.New("other"), true, nil, "first", nil, slow, 2},
		{"both fail", slow, errBroken, fast, errors.New("other"), true, nil, "", errBroken, slow, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := knowing(test.budget)
				b := balancing(lb.RoundRobin, instances(2)...)
				var sent atomic.Int32
				var endpoints [2]*lb.Endpoint
				call, start := &lb.Call{Idempotent: test.idempotent}, time.Now()
				got, err := lb.Hedged(context.Background(), h, call, func(ctx context.Context, call *lb.Call) (string, error) {
					n := sent.Add(1)
					endpoints[n-1] = pick(t, b, call)
					answer, takes, err := "first", test.first, test.firstErr
					if n == 2 {
						answer, takes, err = "second", test.second, test.secondErr
					}
					select {
					case <-time.After(takes):
						return answer, err
					case <-ctx.Done():
						return "", ctx.Err()
					}
				}, nil)
				took := time.Since(start)
				if err != test.wantErr || err == nil && got != test.want {
					t.Errorf("got %q, %v", got, err)
				}
				if took < test.took-10*time.Millisecond || took > test.took+10*time.Millisecond {
					t.Errorf("took %v, want about %v", took, test.took)
				}
				synctest.Wait()
				if sent.Load() != test.sent || test.sent == 2 && endpoints[0] == endpoints[1] {
					t.Errorf("sent %d times, to %v", sent.Load(), endpoints)
				}
			})
		})
	}
}

func TestHedgedDropsWhatCameTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Value
		var n atomic.Int32
		got, err := lb.Hedged(context.Background(), knowing(nil), &lb.Call{Idempotent: true}, func(context.Context, *lb.Call) (string, error) {
			if n.Add(1) == 2 {
				return "second", nil
			}
			time.Sleep(time.Second)
			return "first", nil
		}, func(s string) { dropped.Store(s) })
		if got != "second" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if dropped.Load() != "first" {
			t.Errorf("dropped %v", dropped.Load())
		}
	})
}

func TestHedgedEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		_, err := lb.Hedged(ctx, knowing(nil), &lb.Call{Idempotent: true}, func(ctx context.Context, _ *lb.Call) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}, nil)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
