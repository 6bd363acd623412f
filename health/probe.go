package health

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/adsum-go/adsum"
)

// Prober asks once whether something is well.
//
// Probe blocks until it knows, returns nil if all is well and otherwise an
// error that says in a few words what is not. It ends early when ctx does.
// A [Checker] calls it from one goroutine at a time.
//
// A Prober may also be
//   - an [io.Closer], closed once by the [Checker] when it stops;
//   - a [fmt.Stringer], which names the check;
//   - a [Validator] and a [Notifier].
type Prober interface {
	Probe(ctx context.Context) error
}

// Validator is a [Prober] that can tell, without asking, that it was set up
// wrongly. [Start] refuses it then.
type Validator interface{ Validate() error }

// Notifier is a [Prober] that knows when the answer may have changed. It is
// asked whenever the channel yields a value, and every interval as well.
// Since it tells rather than samples, one answer turns the verdict, unless
// the check says otherwise.
type Notifier interface{ Notify() <-chan struct{} }

// Func is a check written in Go: nil is well. A function that ignores ctx
// counts as failing while it runs over the check's timeout, and is not called
// again before it has returned.
type Func func(ctx context.Context) error

// Probe calls the function.
func (f Func) Probe(ctx context.Context) error { return f(ctx) }

// Validate refuses a nil function.
func (f Func) Validate() error {
	if f == nil {
		return invalid("check", "", "the function is nil", "give the function to call")
	}
	return nil
}

// errBusy is the result while an earlier call still ignores its context.
var errBusy = errors.New("the previous check ignores its timeout and still has not returned")

// abandonAfter is how long an ended context is given to end its probe.
const abandonAfter = 100 * time.Millisecond

// ask runs one probe and returns when it does, or soon after its timeout. If
// the probe is still running then, stuck yields once it is over.
func ask(ctx context.Context, p Prober, timeout time.Duration) (stuck <-chan error, err error) {
	deadline := time.Now().Add(timeout)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- fmt.Errorf("the check panicked: %v", v)
			}
		}()
		done <- p.Probe(ctx)
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		// Most probes return now, and should be waited for.
		select {
		case err = <-done:
		case <-time.After(abandonAfter):
			stuck, err = done, ctx.Err()
		}
	}
	if err == nil || time.Now().Before(deadline) {
		return stuck, err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return stuck, fmt.Errorf("no answer within %v", timeout)
	}
	return stuck, fmt.Errorf("no answer within %v: %w", timeout, err)
}

func invalid(field, value, problem, fix string) error {
	return &adsum.InvalidError{Field: field, Value: value, Problem: problem, Fix: fix}
}
