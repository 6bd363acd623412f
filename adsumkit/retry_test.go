package adsumkit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

var errDown = errors.New("down")

func TestEachTryGoesToAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, b := ours(t, "a:1", "b:1", "c:1")
		for _, name := range []string{"a:1", "b:1", "c:1"} {
			s.fails(name, fmt.Errorf("%s is %w", name, errDown))
		}
		call := adsumkit.Retry(3, 3*time.Second, b, adsumkit.Idempotent())
		for range 10 {
			response, err := call(t.Context(), nil)
			var tries *lb.TriesError
			if response != nil || !errors.As(err, &tries) || !errors.Is(err, errDown) || len(tries.Tries) != 3 {
				t.Fatalf("got %v, %v", response, err)
			}
			called := s.called()
			for _, name := range called {
				if !strings.Contains(err.Error(), name+" is down") {
					t.Errorf("%q does not name the try on %s", err, name)
				}
			}
			slices.Sort(called)
			if !slices.Equal(called, []string{"a:1", "b:1", "c:1"}) {
				t.Errorf("called %v", called)
			}
		}
	})
}

func TestOnlyWhatIsSafeIsTriedAgain(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errDown}
	read := &net.OpError{Op: "read", Err: errDown}
	idempotent := adsumkit.Idempotent()
	tests := []struct {
		name  string
		err   error
		opts  []adsumkit.RetryOption
		tries int
	}{
		{"unknown error", errDown, nil, 1},
		{"unknown error, idempotent", errDown, []adsumkit.RetryOption{idempotent}, 3},
		{"could not connect", fmt.Errorf("get: %w", dial), nil, 3},
		{"connection broke", read, nil, 1},
		{"connection broke, idempotent", read, []adsumkit.RetryOption{idempotent}, 3},
		{"never sent", adsumkit.NotSent(errDown), nil, 3},
		{"permanent, idempotent", fmt.Errorf("get: %w", adsumkit.Permanent(errDown)), []adsumkit.RetryOption{idempotent}, 1},
		{"the program knows better", errDown, []adsumkit.RetryOption{adsumkit.WithJudge(func(error) lb.Verdict { return lb.Verdict{Safety: lb.Always} })}, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, s, b := ours(t, "a:1", "b:1", "c:1")
				for _, name := range []string{"a:1", "b:1", "c:1"} {
					s.fails(name, test.err)
				}
				_, err := adsumkit.Retry(3, time.Minute, b, test.opts...)(t.Context(), nil)
				if n := len(s.called()); n != test.tries || !errors.Is(err, errDown) {
					t.Errorf("%d tries, want %d; error %v", n, test.tries, err)
				}
			})
		})
	}
}

func TestRetryEndsWithItsTimeOrTheCallers(t *testing.T) {
	hang := func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	tests := []struct {
		name         string
		timeout      time.Duration // of Retry
		caller       time.Duration
		perTry, want time.Duration
		tries        int
	}{
		{"own time", 3 * time.Second, time.Hour, 0, 3 * time.Second, 1},
		{"the caller's", time.Hour, 2 * time.Second, 0, 2 * time.Second, 1},
		{"a try each", time.Hour, time.Hour, time.Second, 3 * time.Second, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, s, b := ours(t, "a:1", "b:1", "c:1")
				for _, name := range []string{"a:1", "b:1", "c:1"} {
					s.answers(name, hang)
				}
				ctx, cancel := context.WithTimeout(t.Context(), test.caller)
				defer cancel()
				call := adsumkit.Retry(3, test.timeout, b, adsumkit.Idempotent(), adsumkit.WithPerTry(test.perTry),
					adsumkit.WithBackoff(lb.Backoff{Initial: 1, Max: 1}))
				begin := time.Now()
				_, err := call(ctx, nil)
				if took := time.Since(begin).Round(time.Millisecond); took != test.want || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("took %v, want %v; error %v", took, test.want, err)
				}
				if n := len(s.called()); n != test.tries {
					t.Errorf("%d tries, want %d", n, test.tries)
				}
			})
		})
	}
}

func TestASuccessAfterARetryIsASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, b := ours(t, "a:1", "b:1")
		s.fails("a:1", errDown)
		for _, answer := range ask(t, adsumkit.Retry(3, 3*time.Second, b, adsumkit.Idempotent()), 10) {
			if answer != "b:1" {
				t.Errorf("answered by %q", answer)
			}
		}
	})
}

func TestMarksOfNothingAreNothing(t *testing.T) {
	if adsumkit.Permanent(nil) != nil || adsumkit.NotSent(nil) != nil {
		t.Error("a marked nil is an error")
	}
}
