package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/child"
	"github.com/adsum-go/adsum/health"
)

type runOptions struct {
	*Factory
	instanceFlags
	checkFlags
	adminFlags
	Drain, Grace, KillAfter time.Duration
	Command                 []string
}

func newCmdRun(f *Factory, runF func(context.Context, *runOptions) error) *cobra.Command {
	opts := &runOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "run --name NAME --port PORT -- COMMAND [ARG...]",
		Short: "Run a program of any language as a registered, checked service",
		Long: `Run a program and keep it registered while it is healthy.

The program is started, and registered once its checks pass; without --check,
once it accepts TCP connections on the advertised address. When it ends, it is
deregistered, and adsum exits with its exit code. On SIGTERM or Ctrl-C it is
published as draining, deregistered after --drain, and gets the signal after
another --grace, when no caller knows it any more. A second signal does not
wait.

A registry that is down is waited for. One that refuses the first registration,
its credentials or its certificate, ends the program and the command, with code 3
or 2.`,
		Example: `  adsum run --name web --port 8080 --check http://127.0.0.1:8080/ -- python3 -m http.server 8080
  adsum run --name book --addr 10.0.0.5:50051 --check grpc://127.0.0.1:50051 -- ./book-server
  adsum run --name db --port 5432 --check 'exec:pg_isready -q' -- postgres -D data`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no command given; it comes after --, usage: %s", cmd.UseLine())
			}
			opts.Command = args
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runRun(cmd.Context(), opts)
		},
	}
	opts.instanceFlags.add(cmd.Flags())
	opts.checkFlags.add(cmd.Flags())
	opts.addMetrics(cmd.Flags())
	cmd.Flags().IntVar(&opts.Port, "port", 0, "port the program listens on, where --addr does not say")
	cmd.Flags().DurationVar(&opts.Drain, "drain", time.Second, "how long it is published as draining before it is deregistered")
	cmd.Flags().DurationVar(&opts.Grace, "grace", time.Second, "how long after that until it gets the signal")
	cmd.Flags().DurationVar(&opts.KillAfter, "kill-after", 10*time.Second, "how long it may take to end after the signal")
	return cmd
}

func runRun(ctx context.Context, opts *runOptions) error {
	for flag, d := range map[string]time.Duration{"drain": opts.Drain, "grace": opts.Grace, "kill-after": opts.KillAfter} {
		if d < 0 {
			return negative(flag, d)
		}
	}
	in, why, err := opts.instance()
	if err != nil {
		return err
	}
	if len(opts.Checks) == 0 {
		opts.Checks = []string{"tcp://" + in.Addr}
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
	signals := make(chan os.Signal, 8)
	defer stopSignals(ctx, signals)()
	process, err := child.Start(opts.command(), syscall.SIGTERM)
	if err != nil {
		opts.Notef("%s does not start: %v", opts.Command[0], err)
		return exitCode(shellCode(err))
	}
	s := &service{runOptions: opts, admin: admin, registry: registry, in: in, process: process, signals: signals}
	return s.run(ctx, checks)
}

func (opts *runOptions) command() *exec.Cmd {
	cmd := exec.Command(opts.Command[0], opts.Command[1:]...)
	cmd.Stdout, cmd.Stderr = opts.Out, opts.Err
	// In a process group of its own the program cannot read from a terminal.
	if file, ok := opts.In.(*os.File); ok && !term.IsTerminal(int(file.Fd())) {
		cmd.Stdin = file
	}
	return cmd
}

// shellCode is what a shell exits with when it cannot start a program.
func shellCode(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return 127
	}
	return 126
}

// stopSignals delivers what asks the program to end. A context that ends by
// itself counts as SIGTERM; one that ended by a signal is told of twice.
func stopSignals(ctx context.Context, signals chan os.Signal) (stop func()) {
	signal.Notify(signals, append(passedOn(), os.Interrupt, syscall.SIGTERM)...)
	forget := context.AfterFunc(ctx, func() {
		if !errors.As(context.Cause(ctx), &stopped{}) {
			signals <- syscall.SIGTERM
		}
	})
	return func() {
		forget()
		signal.Stop(signals)
	}
}

// service is a program under supervision.
type service struct {
	*runOptions
	admin    *admin
	registry adsum.Registry
	in       adsum.Instance
	process  *child.Process
	signals  chan os.Signal
	hurry    bool // a second signal came: wait for nothing any more
}

func (s *service) run(ctx context.Context, checks []health.Check) error {
	checker, err := health.Start(checks, health.WithLogger(s.Logger()))
	if err != nil {
		return errors.Join(err, s.process.Kill())
	}
	defer checker.Close()
	s.admin.checker(checker)
	sig := s.untilReady(checker)
	if sig == nil && !s.ended() {
		if sig, err = s.whileRegistered(ctx, checker); err != nil {
			s.hurry = true // nobody calls it
			s.end(syscall.SIGTERM)
			return err
		}
	}
	if sig != nil {
		s.end(sig)
	}
	<-s.process.Done()
	s.Notef("%s ended with code %d", s.Command[0], s.process.ExitCode())
	if code := s.process.ExitCode(); code != 0 {
		return exitCode(code)
	}
	return nil
}

func (s *service) ended() bool {
	select {
	case <-s.process.Done():
		return true
	default:
		return false
	}
}

// untilReady returns nil once the checks pass or the program ended, and the
// signal if one comes first.
func (s *service) untilReady(checker *health.Checker) os.Signal {
	var last string
	for {
		changed := checker.Changed()
		status, reason := checker.Status()
		if status.Callable() {
			s.warnUnreachable()
			return nil
		}
		if reason != last && probed(checker) {
			s.Notef("not registered yet: %s", reason)
			last = reason
		}
		select {
		case <-changed:
		case <-s.process.Done():
			return nil
		case sig := <-s.signals:
			if s.asksToEnd(sig) {
				return sig
			}
		}
	}
}

// probed tells whether every check has a first result.
func probed(checker *health.Checker) bool {
	for _, check := range checker.Report().Checks {
		if len(check.Results) == 0 {
			return false
		}
	}
	return true
}

// warnUnreachable finds the most common mistake: a program that listens
// elsewhere than where it is advertised.
func (s *service) warnUnreachable() {
	conn, err := net.DialTimeout("tcp", s.in.Addr, time.Second)
	if err != nil {
		s.Notef("WARNING: nothing answers on %s, where callers will go; if the program listens elsewhere, say so with --addr", s.in.Addr)
		return
	}
	conn.Close()
}

// whileRegistered keeps the program registered until it ends or a signal
// comes, and withdraws it.
func (s *service) whileRegistered(ctx context.Context, checker *health.Checker) (os.Signal, error) {
	reg, err := s.register(s.registry, s.in, s.checkFlags)
	if err != nil {
		return nil, err
	}
	s.admin.own(reg)
	checker.Attach(reg)
	refused := make(chan error, 1)
	go func() {
		defer close(refused)
		if err := s.follow(context.WithoutCancel(ctx), reg); err != nil {
			refused <- err
		}
	}()
	sig, err := s.untilStopped(refused)
	if err != nil {
		return nil, errors.Join(err, reg.Close(ctx))
	}
	if sig != nil {
		s.drain(reg)
	}
	err = s.withdraw(ctx, reg)
	<-refused
	if err != nil {
		s.Notef("%v", err)
	}
	return sig, nil
}

// untilStopped returns the signal that asks to end, nil when the program ended
// by itself, or why it cannot be registered.
func (s *service) untilStopped(refused <-chan error) (os.Signal, error) {
	for {
		select {
		case err := <-refused:
			if err != nil {
				return nil, err
			}
			refused = nil // superseded; the program runs on
		case <-s.process.Done():
			return nil, nil
		case sig := <-s.signals:
			if s.asksToEnd(sig) {
				return sig, nil
			}
		}
	}
}

// asksToEnd passes other signals on.
func (s *service) asksToEnd(sig os.Signal) bool {
	if sig == os.Interrupt || sig == syscall.SIGTERM {
		return true
	}
	if err := s.process.Signal(sig); err != nil {
		s.Notef("pass %s on: %v", sig, err)
	}
	return false
}

// drain asks callers to stay away while the program still serves.
func (s *service) drain(reg *adsum.Registration) {
	if err := reg.SetStatus(adsum.Draining, "about to stop"); err != nil {
		return // superseded: nothing of ours is published
	}
	s.Notef("draining for %s", s.Drain)
	s.pause(s.Drain)
}

// end lets calls under way end, and then the program.
func (s *service) end(sig os.Signal) {
	s.pause(s.Grace)
	if s.ended() {
		return
	}
	s.Notef("passing %s on to %s", sig, s.Command[0])
	if err := s.process.Stop(sig, s.KillAfter); err != nil {
		s.Notef("stop %s: %v", s.Command[0], err)
	}
}

// pause waits, unless the program ended or a second signal says to hurry.
func (s *service) pause(d time.Duration) {
	if s.hurry {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-s.process.Done():
			return
		case sig := <-s.signals:
			if s.asksToEnd(sig) {
				s.hurry = true
				return
			}
		}
	}
}
