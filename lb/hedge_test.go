package lb_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
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
				client := lb.NewClient(lb.ClientOptions{})
				call, start := &lb.Call{Idempotent: test.idempotent}, time.Now()
				begun := client.Begin()
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
				stats := lb.HedgeStats{Sent: int64(test.sent - 1)}
				if got == "second" {
					stats.Won = 1
				}
				if test.budget != nil {
					stats.Refused = 1
				}
				if h.Stats() != stats {
					t.Errorf("stats %+v, want %+v", h.Stats(), stats)
				}
				client.End(context.Background(), begun, call, lb.Ended{Err: err})
				c := client.Stats().Calls
				if counted := (lb.HedgeStats{Sent: int64(c.Hedges), Won: int64(c.HedgesWon), Refused: int64(c.HedgesRefused)}); counted != stats {
					t.Errorf("the client counted %+v, want %+v", counted, stats)
				}
				if sent.Load() != test.sent || test.sent == 2 && endpoints[0] == endpoints[1] {
					t.Errorf("sent %d times, to %v", sent.Load(), endpoints)
				}
			})
		})
	}
}

func TestHedgedDropsWhatItDoesNotReturn(t *testing.T) {
	for _, test := range []struct {
		name          string
		first, second time.Duration // both ignore their contexts
		firstErr      error
		secondErr     error
		want, dropped string
		wantErr       error
	}{
		{"the second is faster", time.Second, 10 * time.Millisecond, nil, nil, "second", "first", nil},
		{"the first is faster", 150 * time.Millisecond, time.Second, nil, nil, "first", "second", nil},
		{"the first fails", 150 * time.Millisecond, time.Second, errBroken, nil, "second", "first", nil},
		{"the second fails", time.Second, 10 * time.Millisecond, nil, errBroken, "first", "second", nil},
		{"both fail", time.Second, 10 * time.Millisecond, errBroken, errors.New("other"), "first", "second", errBroken},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dropped []string
				call := &lb.Call{Idempotent: true}
				got, err := lb.Hedged(context.Background(), knowing(nil), call, func(_ context.Context, c *lb.Call) (string, error) {
					if c == call {
						time.Sleep(test.first)
						return "first", test.firstErr
					}
					time.Sleep(test.second)
					return "second", test.secondErr
				}, func(s string) { dropped = append(dropped, s) })
				if got != test.want || err != test.wantErr || len(dropped) != 1 || dropped[0] != test.dropped {
					t.Errorf("got %q, %v, and dropped %q", got, err, dropped)
				}
			})
		})
	}
}

func TestATryThatLosesLearnsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.RoundRobin, instances(2)...)
		call := &lb.Call{Idempotent: true}
		var lost lb.Result
		if _, err := lb.Hedged(context.Background(), knowing(nil), call, func(ctx context.Context, c *lb.Call) (int, error) {
			pick(t, b, c)
			if c != call {
				return 2, nil
			}
			<-ctx.Done()
			if !lb.WasOvertaken(ctx) {
				t.Errorf("the cause is %v", context.Cause(ctx))
			}
			lost = lb.ResultOf(ctx, ctx.Err())
			return 1, ctx.Err()
		}, nil); err != nil {
			t.Fatal(err)
		}
		if lost != lb.Overtaken {
			t.Errorf("the outcome is %v", lost)
		}
	})
}

func TestAfterTwoFailuresBothEndpointsAreTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.RoundRobin, instances(3)...)
		h, call := knowing(nil), &lb.Call{Idempotent: true}
		var tried []*lb.Endpoint
		var mu sync.Mutex
		err := lb.Retry{}.Do(context.Background(), call, func(ctx context.Context) error {
			_, err := lb.Hedged(ctx, h, call, func(_ context.Context, c *lb.Call) (int, error) {
				ep := pick(t, b, c)
				mu.Lock()
				tried = append(tried, ep)
				last := len(tried) == 3
				mu.Unlock()
				if last {
					return 0, nil
				}
				time.Sleep(150 * time.Millisecond)
				return 0, errBroken
			}, nil)
			return err
		}, func(error) lb.Verdict { return lb.Verdict{Safety: lb.IfIdempotent} })
		if err != nil || len(tried) < 3 || tried[0] == tried[1] || tried[2] == tried[0] || tried[2] == tried[1] {
			t.Errorf("tried %v, %v", tried, err)
		}
	})
}

func TestTheErrorOfACallThatWasSentTwiceNamesBothEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.RoundRobin, instances(3)...)
		h, call := knowing(nil), &lb.Call{Idempotent: true}
		var mu sync.Mutex
		var sent []*lb.Endpoint
		takes := 150 * time.Millisecond // longer than the wait of the hedge
		err := lb.Retry{Max: 2}.Do(context.Background(), call, func(ctx context.Context) error {
			_, err := lb.Hedged(ctx, h, call, func(_ context.Context, c *lb.Call) (int, error) {
				mu.Lock()
				sent = append(sent, pick(t, b, c))
				mu.Unlock()
				time.Sleep(takes)
				return 0, errBroken
			}, nil)
			takes = time.Millisecond
			return err
		}, func(error) lb.Verdict { return lb.Verdict{Safety: lb.IfIdempotent} })
		tries, ok := errors.AsType[*lb.TriesError](err)
		if !ok || len(tries.Tries) != 2 || len(sent) != 3 {
			t.Fatalf("%v, sent to %v", err, sent)
		}
		if first, second := tries.Tries[0], tries.Tries[1]; first.Endpoint != sent[0] || first.Beside != sent[1] ||
			second.Endpoint != sent[2] || second.Beside != nil {
			t.Errorf("sent to %v, and the error has %+v", sent, tries.Tries)
		}
		for _, ep := range sent {
			if !strings.Contains(err.Error(), ep.String()) {
				t.Errorf("%q does not name %v", err, ep)
			}
		}
	})
}

func TestNothingIsSentTwiceWhereThereIsNoOtherEndpointOrAPin(t *testing.T) {
	for _, test := range []struct {
		name string
		n    int
		ctx  context.Context
	}{{"one endpoint", 1, context.Background()}, {"a pin", 2, lb.Pin(context.Background())}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := balancing(lb.RoundRobin, instances(test.n)...)
				budget := &lb.Budget{}
				h, call := knowing(budget), lb.NewCall(test.ctx)
				call.Idempotent = true
				sent := 0
				_, err := lb.Hedged(test.ctx, h, call, func(_ context.Context, c *lb.Call) (int, error) {
					picked, err := b.Pick(c)
					if err != nil {
						return 0, err
					}
					sent++
					time.Sleep(time.Second)
					picked.Done(lb.Outcome{})
					return 0, nil
				}, nil)
				if err != nil || sent != 1 || h.Stats() != (lb.HedgeStats{}) {
					t.Errorf("sent %d times, %v, %+v", sent, err, h.Stats())
				}
				if s := budget.Stats(); s.Spent != 0 || s.Retries != 0 {
					t.Errorf("spent %d, %d in the last seconds", s.Spent, s.Retries)
				}
			})
		})
	}
}

func TestAPanicOfASecondTryIsTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if p := recover(); p != "second" {
				t.Errorf("recovered %v", p)
			}
		}()
		call := &lb.Call{Idempotent: true}
		_, err := lb.Hedged(context.Background(), knowing(nil), call, func(_ context.Context, c *lb.Call) (int, error) {
			if c != call {
				panic("second")
			}
			time.Sleep(time.Second)
			return 0, nil
		}, nil)
		t.Errorf("returned %v", err)
	})
}

func TestHedgesOfKindsLearnApartAndCountTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := &lb.Budget{PerSecond: 1}
		h := &lb.Hedge{Quantile: 0.5}
		slow, fast := h.For("slow", budget), h.For("fast", budget)
		for range 100 {
			slow.Observe(time.Second)
			fast.Observe(time.Millisecond)
		}
		a, _ := slow.Delay()
		b, _ := fast.Delay()
		if a < time.Second || b > 2*time.Millisecond {
			t.Errorf("delays %v and %v", a, b)
		}
		if h.For("slow", nil) != slow || slow.Budget != budget {
			t.Error("a kind has two hedges, or another budget")
		}
		for range 11 {
			slow.Spend()
		}
		if s := h.Stats(); s.Refused != 1 || fast.Stats() != s {
			t.Errorf("stats %+v, %+v", s, fast.Stats())
		}
		for i := range 1000 {
			h.For(strconv.Itoa(i), nil)
		}
		if h.For("1001", nil) != h.For("1002", nil) {
			t.Error("kinds without end")
		}
		_, known := (&lb.Hedge{Budget: budget}).For("x", nil).Delay()
		if known {
			t.Error("knows without having seen")
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
