package adsumkit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-kit/kit/sd"

	"github.com/adsum-go/adsum"
)

var _ sd.Registrar = (*Registrar)(nil)

// Registrar is go-kit's sd.Registrar: Register and Deregister as often as
// wanted. In between, the instance is kept published whatever the registry
// does. Errors, which go-kit's methods cannot return, are in [Registrar.State].
//
// All methods are safe for concurrent use.
type Registrar struct {
	registry adsum.Registry
	opts     []adsum.RegisterOption

	mu      sync.Mutex
	in      adsum.Instance
	current *adsum.Registration // nil while not to be registered
	last    adsum.RegistrationState
	closed  bool
}

// NewRegistrar makes a registrar of one instance. It does no I/O; the error is
// only for an instance that is not valid or that this registry cannot hold.
// Nothing is published before [Registrar.Register].
func NewRegistrar(registry adsum.Registry, in adsum.Instance, opts ...adsum.RegisterOption) (*Registrar, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if v, ok := registry.(adsum.Validator); ok {
		if err := v.Validate(in.WithDefaults()); err != nil {
			return nil, err
		}
	}
	if caps := registry.Capabilities(); !caps.Register {
		return nil, fmt.Errorf("register %s in %s: %w: it is read only", &in, caps.Registry, adsum.ErrUnsupported)
	}
	return &Registrar{registry: registry, opts: opts, in: in.WithDefaults().Clone()}, nil
}

// Register publishes the instance and keeps it published. It does not block
// and does not need the registry to be up. Registering again what is
// registered, or after Close, does nothing.
func (r *Registrar) Register() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.last.LastError = fmt.Errorf("register %s: registrar %w", &r.in, adsum.ErrClosed)
		return
	}
	if r.current != nil && !r.current.State().Superseded {
		return
	}
	reg, err := adsum.Register(r.registry, r.in, r.opts...)
	if err != nil {
		r.last.LastError = err
		return
	}
	r.current = reg
}

// Deregister withdraws the instance. It blocks until the registry accepted
// that, at most 5 seconds; an error is in State, and the record runs out with
// its TTL.
func (r *Registrar) Deregister() { _ = r.withdraw(context.Background()) }

// Close deregisters, honouring ctx's deadline but not its cancellation, and
// returns the error of that. Register does nothing from then on. A second call
// returns nil.
func (r *Registrar) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	return r.withdraw(ctx)
}

func (r *Registrar) withdraw(ctx context.Context) error {
	r.mu.Lock()
	reg := r.current
	r.current = nil
	r.mu.Unlock()
	if reg == nil {
		return nil
	}
	err := reg.Close(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = reg.State()
	if err != nil {
		r.last.LastError = err
	}
	return err
}

// State returns what is known of the registration: whether the registry holds
// it, since when, the last error, how often it was lost. While it is not to be
// registered, that is the state in which the last registration ended.
func (r *Registrar) State() adsum.RegistrationState {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		return r.current.State()
	}
	return r.last
}

// Ready is a readiness check: nil while the registry holds the instance, else
// an error that wraps [adsum.ErrNotRegistered] and says why. It does not block.
func (r *Registrar) Ready(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		return r.current.Ready(ctx)
	}
	return errors.Join(fmt.Errorf("%s: %w", &r.in, adsum.ErrNotRegistered), r.last.LastError)
}

// WaitReady blocks until the registry holds the instance, and fails when ctx
// ends first, when nothing is to be registered, or when the registration ended.
func (r *Registrar) WaitReady(ctx context.Context) error {
	r.mu.Lock()
	reg := r.current
	r.mu.Unlock()
	if reg == nil {
		return r.Ready(ctx)
	}
	_, err := reg.Wait(ctx, func(s adsum.RegistrationState) bool { return s.Registered })
	return err
}

// Update changes the instance: what is published, and what the next Register
// will publish. It does not block. With it, a health.Checker can be attached
// to a Registrar.
func (r *Registrar) Update(change func(*adsum.Instance)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		if err := r.current.Update(change); err != nil {
			return err
		}
		r.in = r.current.Instance()
		return nil
	}
	in := r.in.Clone()
	change(&in)
	if err := in.Validate(); err != nil {
		return err
	}
	r.in = in.WithDefaults()
	return nil
}
