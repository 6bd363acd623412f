package lb

import (
	"context"
	"errors"
	"time"
)

// Outcome is how a call ended.
type Outcome struct {
	Result Result
	// Latency is how long the endpoint took to answer. If zero, and the
	// policy needs it, the balancer fills in the time from Pick to Done, 1 ns
	// at least; a transport whose calls last longer than the answer takes,
	// such as streams, fills it in itself. Negative says that it depended on
	// the caller and tells nothing of the endpoint; a policy gets 0.
	Latency time.Duration
	// Deadline is how long the caller was willing to wait, 0 if not
	// known. A failure may be counted as having taken that long. Negative
	// says that the time was over when the call began: its failure tells
	// nothing of the endpoint, and is [Ignored].
	Deadline time.Duration
	// Load is what the server said of itself with its answer.
	Load Load
}

// Result is how a call ended, as far as the endpoint is to blame.
type Result uint8

// How a call may end.
const (
	// Success: the endpoint answered, even if the answer is that the
	// request was wrong.
	Success Result = iota
	// Failure: the endpoint failed, refused, or did not answer in time.
	Failure
	// Ignored: it tells nothing of the endpoint, such as a caller that
	// went away.
	Ignored
	// Overtaken: another endpoint answered the same call first ([Hedged]).
	// All that is known is that this one takes longer than Latency.
	Overtaken
)

// ResultOf judges a call by the error it ended with, for transports that know
// no better. ctx is the caller's own context, or that of a try by [Hedged], not
// one that the transport itself cancels: a caller that went away is no failure
// of the server, one that waited to its deadline in vain is.
func ResultOf(ctx context.Context, err error) Result {
	switch {
	case err == nil:
		return Success
	case WasOvertaken(ctx):
		return Overtaken
	case errors.Is(ctx.Err(), context.Canceled):
		return Ignored
	default:
		return Failure
	}
}

// failed is how long a failure counts as having taken: as long as its caller was
// willing to wait, a second where that is not known.
func (o Outcome) failed() time.Duration {
	patience := o.Deadline
	if patience == 0 {
		patience = time.Second
	}
	return max(o.Latency, patience)
}
