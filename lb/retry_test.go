package lb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/lb"
)

var errBroken = errors.New("broken")

func verdict(v lb.Verdict) func(error) lb.Verdict { return func(error) lb.Verdict { return v } }

// trying returns a try that picks from b and fails with each of errs in turn.
func trying(b *lb.Balancer, call *lb.Call, tried *[]string, errs ...error) func(context.Context) error {
	return func(context.Context) error {
		picked, err := b.Pick(call)
		if err != nil {
			return err
		}
		*tried = append(*tried, picked.Endpoint.ID())
		picked.Done(lb.Outcome{})
		err, errs = errs[0], errs[1:]
		return err
	}
}

func TestRetryGoesElsewhereUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.Random, instances(3)...)
		call := &lb.Call{Idempotent: true}
		var tried []string
		err := lb.Retry{}.Do(context.Background(), call, trying(b, call, &tried, errBroken, errBroken, nil), verdict(lb.Verdict{Safety: lb.IfIdempotent}))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(tried)
		if want := []string{"copy-00000", "copy-00001", "copy-00002"}; !slices.Equal(tried, want) {
			t.Errorf("tried %v, want each of the three once", tried)
		}
	})
}

func TestRetryStopsWhereAnotherTryIsNotSafe(t *testing.T) {
	tests := []struct {
		name       string
		idempotent bool
		safety     lb.Safety
		want       int
	}{
		{"answered", true, lb.Never, 1},
		{"perhaps received, idempotent", true, lb.IfIdempotent, 3},
		{"perhaps received, not idempotent", false, lb.IfIdempotent, 1},
		{"never left", false, lb.Always, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				try := func(context.Context) error { n++; return errBroken }
				err := lb.Retry{}.Do(context.Background(), &lb.Call{Idempotent: test.idempotent}, try, verdict(lb.Verdict{Safety: test.safety}))
				if !errors.Is(err, errBroken) || n != test.want {
					t.Errorf("%d tries, error %v; want %d tries", n, err, test.want)
				}
			})
		})
	}
}

func TestAFirstAnswerIsReturnedAsItIs(t *testing.T) {
	err := lb.Retry{}.Do(context.Background(), &lb.Call{}, func(context.Context) error { return errBroken }, verdict(lb.Verdict{}))
	if err != errBroken {
		t.Errorf("got %#v, want the very error", err)
	}
}

type codeError int

func (c codeError) Error() string { return fmt.Sprintf("code %d", int(c)) }

func TestTheFinalErrorNamesEveryTryAndUnwrapsToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancing(lb.RoundRobin, instances(3)...)
		call := &lb.Call{Idempotent: true}
		var tried []string
		inner := trying(b, call, &tried, codeError(1), errBroken, codeError(3))
		try := func(ctx context.Context) error { time.Sleep(7 * time.Millisecond); return inner(ctx) }
		err := lb.Retry{}.Do(context.Background(), call, try, verdict(lb.Verdict{Safety: lb.IfIdempotent}))

		var tries *lb.TriesError
		if !errors.As(err, &tries) || len(tries.Tries) != 3 {
			t.Fatalf("got %v, want a TriesError of three", err)
		}
		for i, try := range tries.Tries {
			if try.Endpoint.ID() != tried[i] || try.Took != 7*time.Millisecond || !strings.Contains(err.Error(), try.Endpoint.Addr()) {
				t.Errorf("try %d: %v; want %s after 7ms, named in %q", i, try, tried[i], err)
			}
		}
		var last codeError
		if !errors.Is(err, errBroken) || !errors.Is(err, codeError(1)) || !errors.As(err, &last) || last != 3 {
			t.Errorf("%v does not unwrap to all its tries, the last one first (%v)", err, last)
		}
	})
}

func TestRetryBacksOffWithJitterButNotAfterARequestThatNeverLeft(t *testing.T) {
	tests := []struct {
		name      string
		verdict   lb.Verdict
		low, high []time.Duration // bounds of the two waits
	}{
		{"received", lb.Verdict{Safety: lb.IfIdempotent},
			[]time.Duration{20 * time.Millisecond, 40 * time.Millisecond}, []time.Duration{30 * time.Millisecond, 60 * time.Millisecond}},
		{"never left", lb.Verdict{Safety: lb.Always},
			[]time.Duration{0, 40 * time.Millisecond}, []time.Duration{0, 60 * time.Millisecond}},
		{"asked to wait", lb.Verdict{Safety: lb.IfIdempotent, After: 300 * time.Millisecond},
			[]time.Duration{300 * time.Millisecond, 300 * time.Millisecond}, []time.Duration{300 * time.Millisecond, 300 * time.Millisecond}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				try := func(context.Context) error { at = append(at, time.Now()); return errBroken }
				err := lb.Retry{}.Do(context.Background(), &lb.Call{Idempotent: true}, try, verdict(test.verdict))
				if err == nil || len(at) != 3 {
					t.Fatalf("%d tries, error %v", len(at), err)
				}
				for i := range 2 {
					if wait := at[i+1].Sub(at[i]); wait < test.low[i] || wait > test.high[i] {
						t.Errorf("waited %v before try %d, want %v to %v", wait, i+2, test.low[i], test.high[i])
					}
				}
			})
		})
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	b := lb.Backoff{Initial: 10 * time.Millisecond, Max: 50 * time.Millisecond, Multiplier: 3}
	for i, want := range []time.Duration{10, 30, 50, 50} {
		want *= time.Millisecond
		if got := b.Delay(i+1, 0.5); got.Round(time.Microsecond) != want {
			t.Errorf("after %d tries %v, want %v", i+1, got, want)
		}
	}
	if low, high := b.Delay(1, 0), b.Delay(1, 1); low != 8*time.Millisecond || high != 12*time.Millisecond {
		t.Errorf("jitter from %v to %v, want 8ms to 12ms", low, high)
	}
}

func TestRetryKeepsToItsTimes(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	tests := []struct {
		name  string
		retry lb.Retry
		tries int
		took  time.Duration // at most
	}{
		{"total", lb.Retry{Timeout: time.Second}, 1, time.Second},
		{"per try", lb.Retry{PerTry: 100 * time.Millisecond}, 3, 400 * time.Millisecond},
		{"both", lb.Retry{Max: 10, Timeout: time.Second, PerTry: 400 * time.Millisecond}, 3, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := test.retry.Do(context.Background(), &lb.Call{Idempotent: true}, hang, verdict(lb.Verdict{Safety: lb.IfIdempotent}))
				var tries *lb.TriesError
				if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &tries) || len(tries.Tries) != test.tries {
					t.Errorf("got %v, want %d tries that ran out of time", err, test.tries)
				}
				if took := time.Since(start); took > test.took {
					t.Errorf("took %v, want at most %v", took, test.took)
				}
			})
		})
	}
}

func TestRetryEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Millisecond, cancel) // while it waits
		n := 0
		try := func(context.Context) error { n++; return errBroken }
		start := time.Now()
		err := lb.Retry{}.Do(ctx, &lb.Call{Idempotent: true}, try, verdict(lb.Verdict{Safety: lb.IfIdempotent}))
		if n != 1 || !errors.Is(err, context.Canceled) || !errors.Is(err, errBroken) {
			t.Errorf("%d tries, error %v; want one try, and both reasons", n, err)
		}
		if took := time.Since(start); took != 10*time.Millisecond {
			t.Errorf("came back after %v, want 10ms", took)
		}
	})
}

func TestRetryDoesNotWaitBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := lb.Retry{}.Do(ctx, &lb.Call{Idempotent: true},
			func(context.Context) error { return errBroken }, verdict(lb.Verdict{Safety: lb.IfIdempotent, After: time.Second}))
		if took := time.Since(start); took != 0 || !errors.Is(err, errBroken) {
			t.Errorf("came back after %v with %v, want at once", took, err)
		}
	})
}

func TestAFailureToPickAfterATryIsATryOfItsOwn(t *testing.T) {
	b := balancing(lb.RoundRobin, instances(1)...)
	call := &lb.Call{}
	try := func(context.Context) error {
		if _, err := b.Pick(call); err != nil {
			return err
		}
		b.Update(snapshot(2)) // the only one leaves
		return errBroken
	}
	judge := func(err error) lb.Verdict {
		if errors.Is(err, lb.ErrNoEndpoint) {
			return lb.Verdict{}
		}
		return lb.Verdict{Safety: lb.Always}
	}
	err := lb.Retry{}.Do(context.Background(), call, try, judge)
	var tries *lb.TriesError
	if !errors.As(err, &tries) || len(tries.Tries) != 2 || tries.Tries[1].Endpoint != nil {
		t.Errorf("got %v, want a try of an endpoint and one without", err)
	}
	if !errors.Is(err, errBroken) || !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("%v does not tell both reasons", err)
	}
}
