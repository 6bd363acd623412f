package lb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Try is one try of a call that failed.
type Try struct {
	Endpoint *Endpoint // nil if it failed before there was one
	// Beside is where the call was sent a second time meanwhile, in vain as
	// well; nil if it was not. Err and Took are those of the first. See [Hedged].
	Beside *Endpoint
	Err    error
	Start  time.Time
	Took   time.Duration
}

func (t Try) String() string {
	took := t.Took.Round(time.Microsecond)
	switch {
	case t.Endpoint == nil:
		return fmt.Sprintf("%v (after %v)", t.Err, took)
	case t.Beside != nil:
		return fmt.Sprintf("%v: %v (after %v, beside %v)", t.Endpoint, t.Err, took, t.Beside)
	default:
		return fmt.Sprintf("%v: %v (after %v)", t.Endpoint, t.Err, took)
	}
}

// TriesError is the failure of a call after all its tries.
type TriesError struct {
	Tries []Try // in their order, at least one
	// Ended is why there was no other try, where it was not the last error:
	// that of the context, or [ErrBudget].
	Ended error
}

// Error names every try.
func (e *TriesError) Error() string {
	var b strings.Builder
	if len(e.Tries) == 1 {
		b.WriteString("1 try failed: ")
	} else {
		fmt.Fprintf(&b, "%d tries failed: ", len(e.Tries))
	}
	for i, t := range e.Tries {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(t.String())
	}
	if e.Ended != nil && !errors.Is(e.Tries[len(e.Tries)-1].Err, e.Ended) {
		fmt.Fprintf(&b, "; no other try: %v", e.Ended)
	}
	return b.String()
}

// Timeout tells, as [net.Error] does, that time ran out: for the last try, or
// for all of them.
func (e *TriesError) Timeout() bool {
	var last interface{ Timeout() bool }
	return errors.Is(e.Ended, context.DeadlineExceeded) ||
		errors.As(e.Tries[len(e.Tries)-1].Err, &last) && last.Timeout()
}

// Unwrap returns the errors of all tries, the last one first, for it says what
// became of the call: [errors.As] finds that one before the others.
func (e *TriesError) Unwrap() []error {
	errs := make([]error, 0, len(e.Tries)+1)
	for i := len(e.Tries) - 1; i >= 0; i-- {
		errs = append(errs, e.Tries[i].Err)
	}
	if e.Ended != nil {
		errs = append(errs, e.Ended)
	}
	return errs
}
