package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/adsum-go/adsum"
)

// Run serves, registers the instance once the server answers, and blocks
// until ctx ends, a signal arrives, or the server fails. It then takes the
// server down in order and returns nil, or an [*Error] for each step that
// failed. It closes server in any case.
//
// An empty in.Addr is filled in by [adsum.AdvertiseAddr], and so is every
// endpoint that is named without an address. A bad instance is refused before
// anything is served. A registry that is down stops nothing: the server
// serves, and is registered when the registry is back.
func Run(ctx context.Context, server Server, registry adsum.Registry, in adsum.Instance, opts ...Option) error {
	r := &run{
		options: newOptions(registry, opts), server: server,
		served: make(chan struct{}), hurry: make(chan struct{}),
	}
	if err := r.complete(&in); err != nil {
		return errors.Join(failed(Register, err), server.Close())
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer r.watchSignals(ctx, end)()

	go func() {
		r.serveErr = server.Serve()
		close(r.served)
		end(errServed)
	}()
	server.SetServing(true)
	registration, err := adsum.Register(registry, in, append([]adsum.RegisterOption{adsum.WithLogger(r.logger)}, r.register...)...)
	if err != nil {
		server.Close()
		<-r.served
		return failed(Register, err)
	}
	r.logger.Info("serving", "service", in.Service, "addr", in.Addr, "listen", server.Addr().String())
	for _, tell := range r.onRegister {
		tell(registration)
	}

	<-ctx.Done()
	r.logger.Info("stopping", "service", in.Service, "addr", in.Addr, "reason", context.Cause(ctx))
	withdrawErr := r.withdraw(registration)
	r.drain()
	stopErr := r.stop()
	<-r.served
	return errors.Join(failed(Serve, r.serveErr), failed(Withdraw, withdrawErr), failed(Stop, stopErr))
}

// run is one server on its way through its life.
type run struct {
	options
	server   Server
	served   chan struct{} // closed when Serve returned
	serveErr error         // set before
	hurry    chan struct{} // closed by a signal after the one that ended the run
}

var (
	// errServed is the reason to take a server down that ended by itself.
	errServed = errors.New("the server ended by itself")
	// errHurried is the reason to stop before the limit.
	errHurried = errors.New("calls still running at the second signal were cut off")
)

// complete fills in what the listener knows and checks the instance, before
// any I/O.
func (r *run) complete(in *adsum.Instance) error {
	if in.Addr == "" {
		addr, why, err := adsum.AdvertiseAddr(r.server.Addr().String())
		if err != nil {
			return err
		}
		in.Addr = addr
		r.logger.Info("advertising", "service", in.Service, "addr", addr, "reason", why)
	}
	*in = in.Clone() // the endpoints are the caller's
	for protocol, addr := range in.Endpoints {
		if addr == "" {
			in.Endpoints[protocol] = in.Addr
		}
	}
	return in.Validate()
}

// watchSignals ends the run at the first signal, and closes hurry at the next.
// It returns what undoes it.
func (r *run) watchSignals(ctx context.Context, end context.CancelCauseFunc) (undo func()) {
	if len(r.signals) == 0 {
		return func() {} // signal.Notify would take none for all
	}
	signals, over := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, r.signals...)
	go func() {
		select {
		case s := <-signals:
			end(fmt.Errorf("signal: %s", s))
		case <-ctx.Done():
		}
		select {
		case <-signals:
			close(r.hurry)
		case <-over:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(over)
	}
}

// withdraw takes the copy out of the callers' sight. It must not be cut short
// by the end of ctx, which is why it is happening.
func (r *run) withdraw(registration *adsum.Registration) error {
	r.server.SetServing(false)
	return registration.Close(context.Background())
}

// drain goes on answering until callers had time to see the withdrawal, the
// server ended, or somebody is in a hurry.
func (r *run) drain() {
	delay := time.NewTimer(r.drainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-r.served:
	case <-r.hurry:
	}
}

// stop lets the calls that run finish, within the limit.
func (r *run) stop() error {
	limit, cancel := context.WithTimeoutCause(context.Background(), r.stopTimeout,
		fmt.Errorf("calls still running after %s were cut off", r.stopTimeout))
	defer cancel()
	ctx, hurry := context.WithCancelCause(limit)
	defer hurry(nil)
	stopped := make(chan struct{})
	defer close(stopped)
	go func() {
		select {
		case <-r.hurry:
			hurry(errHurried)
		case <-stopped:
		}
	}()
	err := r.server.Shutdown(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return errors.Join(err, r.server.Close())
}
