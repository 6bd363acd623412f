package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

type registerOptions struct {
	*Factory
	instanceFlags
	checkFlags
	adminFlags
}

func newCmdRegister(f *Factory, runF func(context.Context, *registerOptions) error) *cobra.Command {
	opts := &registerOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "register --name NAME --addr HOST:PORT",
		Short: "Keep a service registered, until stopped",
		Long: `Register a copy of a service that runs somewhere, and keep it registered until
SIGTERM or Ctrl-C, which withdraws it. To start the program too, use adsum run.

With --check the copy is published as starting until the first pass, and as
critical while a check fails.

A registry that is down is waited for. One that refuses the first registration,
its credentials or its certificate, ends the command; once a registration was
accepted, that is tried again, too, as a token may have been rotated.`,
		Example: `  adsum register --name book --addr 10.0.0.5:50051
  adsum register --name db --addr 10.0.0.9:5432 --check tcp://10.0.0.9:5432 --tag primary --meta role=rw`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runRegister(cmd.Context(), opts)
		},
	}
	opts.instanceFlags.add(cmd.Flags())
	opts.checkFlags.add(cmd.Flags())
	opts.addMetrics(cmd.Flags())
	return cmd
}

func runRegister(ctx context.Context, opts *registerOptions) error {
	in, why, err := opts.instance()
	if err != nil {
		return err
	}
	checks, err := opts.parse(checkParsers())
	if err != nil {
		return err
	}
	registry, err := opts.Registry()
	if err != nil {
		return err
	}
	defer registry.Close()
	if err := checkTTL(registry, opts.TTL); err != nil {
		return err
	}
	admin, err := opts.openAdmin(opts.adminFlags)
	if err != nil {
		return err
	}
	defer admin.close()
	opts.noteTerms(registry, in, why, opts.TTL)
	if len(checks) > 0 {
		in.Status = adsum.Starting
	}
	reg, err := opts.register(registry, in, opts.checkFlags)
	if err != nil {
		return err
	}
	admin.own(reg)
	if len(checks) > 0 {
		checker, err := health.Start(checks, health.WithLogger(opts.Logger()))
		if err != nil {
			return errors.Join(err, reg.Close(ctx))
		}
		defer checker.Close()
		admin.checker(checker)
		checker.Attach(reg)
	}
	if err := opts.follow(ctx, reg); err != nil {
		return errors.Join(err, reg.Close(ctx))
	}
	return opts.withdraw(ctx, reg)
}

// noteTerms tells what will be published where, and what that registry
// cannot do.
func (f *Factory) noteTerms(registry adsum.Registry, in adsum.Instance, why string, ttl time.Duration) {
	c := registry.Capabilities()
	f.Notef("advertising %s in %s: %s", in.Addr, c.Registry, why)
	f.noteTTL(registry, ttl)
	switch detection, bounded := c.Detection(ttl); {
	case !bounded:
		f.Notef("that registry never removes a copy that crashed by itself")
	case detection > 2*ttl:
		f.Notef("in that registry a crash may take up to %s to show", detection.Round(time.Second))
	}
}

func (f *Factory) register(registry adsum.Registry, in adsum.Instance, flags checkFlags) (*adsum.Registration, error) {
	terms := []adsum.RegisterOption{adsum.WithTTL(flags.TTL), adsum.WithLogger(f.Logger())}
	if flags.DeregisterAfter > 0 {
		terms = append(terms, adsum.WithDeregisterCriticalAfter(flags.DeregisterAfter))
	}
	return adsum.Register(registry, in, terms...)
}

// follow tells people what becomes of a registration, until ctx ends or the
// registration does. It fails when the registry refuses, for good, what it
// never accepted before: that is a mistake of whoever started the command.
func (f *Factory) follow(ctx context.Context, reg *adsum.Registration) error {
	var last string
	for {
		changed := reg.Changed()
		stats, in := reg.Stats(), reg.Instance()
		if stats.Closed {
			return nil
		}
		if stats.Registrations == 0 && !stats.Superseded && adsum.Final(stats.LastError) {
			return fmt.Errorf("%s is not registered in %s: %w", &in, stats.Registry, stats.LastError)
		}
		if line := describeRegistration(stats.RegistrationState, in); line != last {
			f.Notef("%s", line)
			last = line
		}
		select {
		case <-changed:
		case <-reg.Done():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// describeRegistration is one line on how a registration is.
func describeRegistration(state adsum.RegistrationState, in adsum.Instance) string {
	switch {
	case state.Superseded:
		return in.String() + " was taken over by a younger owner"
	case state.Withdrawn:
		return in.String() + " withdrawn, critical for too long: " + in.Reason
	case state.Registered:
		line := "registered " + in.String() + " as " + string(state.Published.Status)
		if state.Published.Reason != "" {
			line += ": " + state.Published.Reason
		}
		return line
	case state.LastError != nil:
		return fmt.Sprintf("not registered, trying on: %v", state.LastError)
	}
	return "registering " + in.String()
}

// withdraw ends a registration and tells how that went.
func (f *Factory) withdraw(ctx context.Context, reg *adsum.Registration) error {
	in := reg.Instance()
	if reg.State().Superseded {
		return fmt.Errorf("%s: %w", &in, adsum.ErrSuperseded)
	}
	if err := reg.Close(ctx); err != nil {
		return codef(exitConnect, "not withdrawn: %w", err)
	}
	switch stats := reg.Stats(); {
	case stats.Registrations > 0:
		f.Notef("withdrawn %s", &in)
	case stats.LastError != nil:
		return codef(exitConnect, "%s was never registered in %s: %w", &in, stats.Registry, stats.LastError)
	default:
		f.Notef("stopped before %s was registered", &in)
	}
	return nil
}
