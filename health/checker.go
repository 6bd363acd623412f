package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// ErrUnhealthy is what [Checker.Ready] reports, wrapped with the reason.
var ErrUnhealthy = errors.New("not healthy")

// Checker runs checks in the background, from [Start] to [Checker.Close].
// All methods are safe for concurrent use.
type Checker struct {
	log    *slog.Logger
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu       sync.Mutex
	verdicts []*verdict
	status   adsum.Status
	reason   string
	since    time.Time
	changed  chan struct{} // closed at the next change
	attached map[int]Registration
	nextID   int
	closed   bool
}

// Option changes a [Checker].
type Option func(*Checker)

// WithLogger sets where changes of status are logged; [slog.Default] if not
// given or nil.
func WithLogger(log *slog.Logger) Option {
	return func(c *Checker) { c.log = cmp.Or(log, slog.Default()) }
}

// Start begins to run the checks and returns at once. It fails with an
// [adsum.ErrInvalid] that names the check, before anything is started, when
// one is set up wrongly or two have the same name.
func Start(checks []Check, opts ...Option) (*Checker, error) {
	now := time.Now()
	c := &Checker{log: slog.Default(), since: now, changed: make(chan struct{}), attached: map[int]Registration{}}
	for _, opt := range opts {
		opt(c)
	}
	if len(checks) == 0 {
		return nil, invalid("checks", "", "there are none", "give at least one check")
	}
	names := map[string]bool{}
	for i, check := range checks {
		check = check.withDefaults()
		if err := check.validate(); err != nil {
			return nil, fmt.Errorf("check %d (%s): %w", i+1, check.Name, err)
		}
		if names[check.Name] {
			return nil, invalid("check name", check.Name, "two checks have it", "set Name")
		}
		names[check.Name] = true
		c.verdicts = append(c.verdicts, newVerdict(check, now))
	}
	c.status, c.reason = c.combine()
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	for _, v := range c.verdicts {
		c.loops.Go(func() { c.loop(ctx, v) })
	}
	return c, nil
}

// loop asks one check's question until ctx ends.
func (c *Checker) loop(ctx context.Context, v *verdict) {
	check := v.check
	timer := time.NewTimer(check.InitialDelay)
	defer timer.Stop()
	var notify <-chan struct{}
	if n, ok := check.Probe.(Notifier); ok {
		notify = n.Notify()
	}
	var stuck <-chan error
	passed := false
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-notify:
		}
		begin := time.Now()
		err := errBusy
		select {
		case <-stuck:
			stuck = nil
		default:
		}
		if stuck == nil {
			stuck, err = ask(ctx, check.Probe, check.Timeout)
		}
		if ctx.Err() != nil {
			return // the probe was cut short: that says nothing
		}
		passed = passed || err == nil
		c.record(v, Result{Time: begin, Latency: time.Since(begin), Err: err})
		timer.Reset(check.pause(n, passed) - time.Since(begin))
	}
}

// record takes in one result and tells everybody if that changes the whole.
func (c *Checker) record(v *verdict, r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := v.status
	if c.closed || !v.record(r) {
		return
	}
	if v.status != before {
		level, attrs := slog.LevelInfo, []any{"check", v.check.Name, "status", string(v.status), "before", string(before)}
		if v.status == adsum.Critical {
			level = slog.LevelWarn
		}
		if v.reason != "" {
			attrs = append(attrs, "reason", v.reason)
		}
		c.log.Log(context.Background(), level, "health check changed", attrs...)
	}
	status, reason := c.combine()
	if status == c.status && reason == c.reason {
		return
	}
	if status != c.status {
		c.since = v.since
	}
	c.status, c.reason = status, reason
	close(c.changed)
	c.changed = make(chan struct{})
	for _, reg := range c.attached {
		c.publish(reg)
	}
}

// maxReason bounds what is published: registries hold small records.
const maxReason = 256

// combine is the worst of all verdicts, and why. The caller holds mu, or is
// the only one to know c.
func (c *Checker) combine() (adsum.Status, string) {
	worst := adsum.Passing
	var reasons []string
	for _, v := range c.verdicts {
		worst = worst.Worse(v.status)
	}
	for _, v := range c.verdicts {
		if v.status == worst && worst != adsum.Passing {
			reasons = append(reasons, v.check.Name+": "+v.reason)
		}
	}
	return worst, printable(strings.Join(reasons, "; "), maxReason)
}

// Registration is what a checker can be attached to: an
// [*adsum.Registration]. Update applies the change or refuses it without
// blocking, and does not call the checker.
type Registration interface {
	Update(change func(*adsum.Instance)) error
}

// Attach makes the checker's status that of the registration, at once and at
// every change, until detach is called or the checker is closed; detach may
// be called twice. A registration that is draining keeps draining.
func (c *Checker) Attach(reg Registration) (detach func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.nextID
	c.nextID++
	c.attached[id] = reg
	c.publish(reg)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.attached, id)
	}
}

// publish hands the status to a registration, which does not block. The
// caller holds mu, so that an older status never overtakes a newer one.
func (c *Checker) publish(reg Registration) {
	status, reason := c.status, c.reason
	err := reg.Update(func(in *adsum.Instance) {
		if in.Status != adsum.Draining {
			in.Status, in.Reason = status, reason
		}
	})
	if err != nil && !errors.Is(err, adsum.ErrClosed) && !errors.Is(err, adsum.ErrSuperseded) {
		c.log.Error("health status not published", "status", string(status), "reason", reason, "error", err)
	}
}

// Status returns the worst status of all checks and why it is not passing.
func (c *Checker) Status() (status adsum.Status, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.reason
}

// Changed returns a channel that is closed when status or reason next change.
// Get it before reading the status, so that no change is missed.
func (c *Checker) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Ready is a readiness check: nil while calls are welcome, that is passing or
// warning, else an error that wraps [ErrUnhealthy] and says why. It does not
// block.
func (c *Checker) Ready(context.Context) error {
	if status, reason := c.Status(); !status.Callable() {
		return fmt.Errorf("%w: %s: %s", ErrUnhealthy, status, reason)
	}
	return nil
}

// WaitReady blocks until calls are welcome or ctx ends; the error then wraps
// both ctx's and [ErrUnhealthy].
func (c *Checker) WaitReady(ctx context.Context) error {
	for {
		changed := c.Changed()
		err := c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// Report is everything a checker knows at one moment.
type Report struct {
	Status adsum.Status  `json:"status"`
	Reason string        `json:"reason,omitempty"`
	Since  time.Time     `json:"since"` // when Status began
	Checks []CheckReport `json:"checks"`
}

// CheckReport is what is known of one check.
type CheckReport struct {
	Name        string       `json:"name"`
	Status      adsum.Status `json:"status"`
	Reason      string       `json:"reason,omitempty"` // the failure that began Status
	Since       time.Time    `json:"since"`
	WarningOnly bool         `json:"warning_only,omitempty"`
	Results     []Result     `json:"results"` // oldest first
}

// Report returns the status with every check's own and its history.
func (c *Checker) Report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := Report{Status: c.status, Reason: c.reason, Since: c.since}
	for _, v := range c.verdicts {
		r.Checks = append(r.Checks, CheckReport{Name: v.check.Name, Status: v.status, Reason: v.reason,
			Since: v.since, WarningOnly: v.check.WarningOnly, Results: v.history.list()})
	}
	return r
}

// Close stops all checks, waits for those under way to return (a probe that
// ignores its context is left behind), and closes probes that can be closed.
// Status and history stay as they were, as does the status of what is
// attached. A second call does nothing.
func (c *Checker) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	clear(c.attached)
	c.mu.Unlock()
	c.cancel()
	c.loops.Wait()
	var errs []error
	for _, v := range c.verdicts {
		if closer, ok := v.check.Probe.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(errs...)
}
