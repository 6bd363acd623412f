package adsum

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// closeLimit bounds the withdrawal of a record when the caller sets no
// deadline of its own.
const closeLimit = 5 * time.Second

// Registration keeps one instance published until it is closed: it registers
// in the background, for as long as it takes, again after the registry lost
// the record, was wiped, or somebody deleted it, and brings every update to
// the registry without a gap.
//
// All methods are safe for concurrent use.
type Registration struct {
	registry Registry
	name     string // service/id, for errors
	config   registerConfig
	log      *slog.Logger
	stop     context.CancelFunc // ends the supervisor
	done     chan struct{}      // closed when it ended
	wake     chan struct{}      // holds one token when want changed
	counts   registrationCounts

	mu            sync.Mutex
	want          Instance
	criticalSince time.Time
	state         RegistrationState
	changed       chan struct{} // closed and replaced with every change of state
	closing       context.Context
	closeErr      error
}

// RegistrationState is what a Registration knows of itself at one moment.
type RegistrationState struct {
	// Registered tells that the registry accepted the instance and, as far
	// as is known, still holds it.
	Registered bool
	// Superseded tells that a younger owner took the id over. It is final.
	Superseded bool
	// Withdrawn tells that the record is withheld on purpose, because the
	// instance has been critical for too long.
	Withdrawn bool
	// Closed tells that Close was called.
	Closed bool
	// Since is when Registered became what it is.
	Since time.Time
	// LastError is the most recent error and LastErrorAt its time. They
	// stay after a recovery.
	LastError   error
	LastErrorAt time.Time
	// Lost counts how often a record that was registered was lost.
	Lost int
	// Published is what the registry accepted last; the zero value if nothing.
	Published Instance
}

// Register publishes in and keeps it published until [Registration.Close]. It
// does not block and does not need the registry to be up: the error is only
// for an instance that is not valid or that this registry cannot hold. Use
// [Registration.Wait] or [Registration.Ready] to know when it is there.
func Register(registry Registry, in Instance, opts ...RegisterOption) (*Registration, error) {
	config := registerConfig{ttl: DefaultTTL, logger: slog.Default()}
	for _, o := range opts {
		o.applyRegister(&config)
	}
	in = in.WithDefaults().Clone()
	if err := validateFor(registry, in); err != nil {
		return nil, err
	}
	if config.ttl <= 0 {
		return nil, invalid("ttl", config.ttl.String(), "it is not positive", "use some seconds")
	}
	caps := registry.Capabilities()
	if !caps.Register {
		return nil, fmt.Errorf("register %s in %s: %w: it is read only", &in, caps.Registry, ErrUnsupported)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &Registration{
		registry: registry,
		name:     in.Service + "/" + in.ID,
		config:   config,
		log:      config.logger.With("registry", caps.Registry, "service", in.Service, "instance", in.ID),
		stop:     stop,
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		want:     in,
		changed:  make(chan struct{}),
		state:    RegistrationState{Since: time.Now()},
	}
	r.noteCritical()
	s := &supervisor{Registration: r, terms: RegisterOptions{
		TTL:   caps.ClampTTL(config.ttl),
		Claim: Claim{Owner: rand.Text()},
	}}
	go s.run(ctx)
	return r, nil
}

func validateFor(registry Registry, in Instance) error {
	if err := in.Validate(); err != nil {
		return err
	}
	if v, ok := registry.(Validator); ok {
		return v.Validate(in)
	}
	return nil
}

// Instance returns what should be published.
func (r *Registration) Instance() Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.want.Clone()
}

// SetStatus is an [Registration.Update] of Status and Reason. An unknown
// status or a reason with control characters is refused.
func (r *Registration) SetStatus(status Status, reason string) error {
	return r.Update(func(in *Instance) { in.Status, in.Reason = status, reason })
}

// Update changes what should be published. It does not block: the registry
// follows in the background, and of several updates the latest wins. It fails
// for an instance that is not valid, for a change of Service or ID, which
// would be another instance, and after Close. The function must not call the
// Registration.
func (r *Registration) Update(change func(*Instance)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Closed || r.state.Superseded {
		return fmt.Errorf("update %s: registration %w", r.name, r.ended())
	}
	in := r.want.Clone()
	change(&in)
	in = in.WithDefaults()
	if in.Service != r.want.Service {
		return invalid("service", in.Service, "a registration cannot change its service", "close it and register anew")
	}
	if in.ID != r.want.ID {
		return invalid("id", in.ID, "a registration cannot change its id", "close it and register anew")
	}
	if err := validateFor(r.registry, in); err != nil {
		return err
	}
	r.want = in.Clone()
	r.noteCritical()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return nil
}

func (r *Registration) ended() error {
	if r.state.Superseded {
		return ErrSuperseded
	}
	return ErrClosed
}

// noteCritical starts or clears the time the instance has been critical.
func (r *Registration) noteCritical() {
	switch {
	case r.want.Status != Critical:
		r.criticalSince = time.Time{}
	case r.criticalSince.IsZero():
		r.criticalSince = time.Now()
	}
}

// State returns the current state.
func (r *Registration) State() RegistrationState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Changed returns a channel that is closed at the next change of State. Ask
// for it before looking at State, or a change may be missed.
func (r *Registration) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Done returns a channel that is closed when the registration ended: closed,
// or superseded.
func (r *Registration) Done() <-chan struct{} { return r.done }

// Wait blocks until the state satisfies the condition, and returns it. It
// fails when ctx ends, or when the registration ended in another state.
func (r *Registration) Wait(ctx context.Context, condition func(RegistrationState) bool) (RegistrationState, error) {
	for {
		changed := r.Changed()
		state := r.State()
		if condition(state) {
			return state, nil
		}
		select {
		case <-ctx.Done():
			return state, r.explain(ctx.Err(), state)
		case <-r.done:
			if state = r.State(); condition(state) {
				return state, nil
			}
			return state, r.explain(r.endedNow(), state)
		case <-changed:
		}
	}
}

// Ready is a readiness check: nil while registered, else an error that wraps
// [ErrNotRegistered] and says why. It does not block.
func (r *Registration) Ready(context.Context) error {
	state := r.State()
	if state.Registered {
		return nil
	}
	return r.explain(ErrNotRegistered, state)
}

func (r *Registration) endedNow() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended()
}

func (r *Registration) explain(err error, state RegistrationState) error {
	err = fmt.Errorf("registration of %s in %s: %w", r.name, r.registry.Capabilities().Registry, err)
	switch {
	case state.Superseded && !errors.Is(err, ErrSuperseded):
		return fmt.Errorf("%w: %w", err, ErrSuperseded)
	case state.Withdrawn:
		return fmt.Errorf("%w: withdrawn, critical for longer than %v", err, r.config.criticalAfter)
	case state.LastError != nil:
		return fmt.Errorf("%w; last error: %w", err, state.LastError)
	}
	return err
}

// Close withdraws the record and waits until the registry accepted that and
// the background work ended. The withdrawal honours ctx's deadline, or takes
// 5 seconds at most, but not its cancellation: a program that shuts down
// because its context ended still withdraws. When the registry cannot be
// reached, the error says so and the record runs out with its TTL. A second
// call waits for the first and returns nil.
func (r *Registration) Close(ctx context.Context) error {
	fresh, cancel := freshContext(ctx, closeLimit)
	defer cancel()
	r.mu.Lock()
	first := r.closing == nil
	if first {
		r.closing = fresh
		r.state.Closed = true
		r.announce()
	}
	r.mu.Unlock()
	r.stop()
	<-r.done
	if !first {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closeErr
}

// freshContext keeps ctx's values and deadline, if that is still to come, and
// drops its cancellation.
func freshContext(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) > 0 {
		limit = time.Until(deadline)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// setState changes the state and tells whoever waits.
func (r *Registration) setState(change func(*RegistrationState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.state.Registered
	change(&r.state)
	if r.state.Registered != before {
		r.state.Since = time.Now()
	}
	r.announce()
}

func (r *Registration) announce() {
	close(r.changed)
	r.changed = make(chan struct{})
}
