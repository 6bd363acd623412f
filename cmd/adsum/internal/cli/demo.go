package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum/cmd/adsum/internal/demo"
)

type demoOptions struct {
	*Factory
	Servers, Calls int
}

func newCmdDemo(f *Factory, runF func(context.Context, *demoOptions) error) *cobra.Command {
	opts := &demoOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work, with nothing installed",
		Long: `Start a registry (a real etcd), book servers and a client, each as a process of
its own, and show how calls rotate over the servers. Then, under constant calls,
a server is killed, the registry frozen, a new server started, the killed one
started again; shown is when each change was seen, and that no call failed.

It takes about ten seconds, needs no free well-known port, and leaves nothing
behind. The exit code is 3 if anything it claims did not happen.

With --registry it uses that registry, which it cuts itself off from instead of
freezing it, and takes as long as that registry needs to notice a crash.`,
		Example: `  adsum demo
  adsum demo --servers 3 --calls 12
  adsum demo --registry etcd://127.0.0.1:2379/services`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDemo(cmd.Context(), opts)
		},
	}
	cmd.Flags().IntVar(&opts.Servers, "servers", 2, "how many servers to start, 2 to 16")
	cmd.Flags().IntVar(&opts.Calls, "calls", 8, "how many calls to show")
	return cmd
}

func runDemo(ctx context.Context, opts *demoOptions) error {
	if opts.Servers < 2 || opts.Servers > 16 {
		return usagef("--servers %d: it takes 2 to see calls rotate and one killed, and 16 at most", opts.Servers)
	}
	if opts.Calls < 1 {
		return usagef("--calls %d: at least one", opts.Calls)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to start it in its other parts: %w", err)
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if opts.RegistryURL != "" {
		go failWhenRefused(ctx, opts.RegistryURL, fail)
	}
	err = demo.Run(ctx, demo.Config{
		Executable: self, Servers: opts.Servers, Calls: opts.Calls,
		// Not ADSUM_REGISTRY: a demo of its own unless asked for.
		Registry: opts.RegistryURL, Open: opts.Openers.Open,
		Out: opts.Out, Colours: opts.Colours(), Waiting: opts.progress, Err: opts.Err,
	})
	var byHand stopped
	var nobody refused
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &byHand):
		return codedError{exitFailed, byHand}
	case errors.As(cause, &nobody):
		return codef(exitConnect, "could not connect: %w\n%s", nobody, opts.hint())
	}
	return err
}

// progress shows, on a terminal, what is being waited for.
func (f *Factory) progress(text string) {
	switch {
	case !f.ErrTerminal:
	case text == "":
		fmt.Fprint(f.Err, "\r\x1b[K")
	default:
		fmt.Fprintf(f.Err, "\r\x1b[K         … waiting for %s", text)
	}
}
