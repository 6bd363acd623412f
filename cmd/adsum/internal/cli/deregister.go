package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
)

type deregisterOptions struct {
	*Factory
	Service, ID string
	Watch       time.Duration
}

func newCmdDeregister(f *Factory, runF func(context.Context, *deregisterOptions) error) *cobra.Command {
	opts := &deregisterOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "deregister NAME ID",
		Short: "Remove a record that nobody keeps",
		Long: `Remove the record of one copy, whoever wrote it. A record that a living process
keeps comes back: the command waits a moment to see, says so, and then exits
with 3. Stop that process, or drain it, instead.`,
		Example: `  adsum deregister book 10.0.0.5:50051
  adsum instances book --all -o name | xargs -n 1 adsum deregister book`,
		Args:              exactArgs(2),
		ValidArgsFunction: f.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service, opts.ID = args[0], args[1]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDeregister(cmd.Context(), opts)
		},
	}
	cmd.Flags().DurationVar(&opts.Watch, "watch", 2*time.Second, "how long to look whether it comes back; 0 not at all")
	return cmd
}

func runDeregister(ctx context.Context, opts *deregisterOptions) error {
	if err := errors.Join(adsum.ValidateService(opts.Service), adsum.ValidateID(opts.ID)); err != nil {
		return err
	}
	registry, err := opts.Registry()
	if err != nil {
		return err
	}
	defer registry.Close()
	remover, ok := registry.(adsum.Remover)
	if !ok {
		return fmt.Errorf("deregister in %s: %w", registry.Capabilities().Registry, adsum.ErrUnsupported)
	}
	if err := opts.remove(ctx, registry, remover); err != nil {
		return err
	}
	back, err := opts.comesBack(ctx, registry)
	if err != nil {
		return err
	}
	if back {
		return codef(exitFailed, "%s/%s was removed and came back: a living process keeps it; stop or drain that", opts.Service, opts.ID)
	}
	opts.Notef("removed %s/%s from %s", opts.Service, opts.ID, registry.Capabilities().Registry)
	return nil
}

func (opts *deregisterOptions) remove(ctx context.Context, registry adsum.Registry, remover adsum.Remover) error {
	bounded, cancel := opts.within(ctx)
	defer cancel()
	err := remover.Remove(bounded, opts.Service, opts.ID)
	if err == nil {
		return nil
	}
	if errors.Is(err, adsum.ErrNotFound) {
		return codef(exitNotFound, "there is no %s/%s in %s", opts.Service, opts.ID, registry.Capabilities().Registry)
	}
	return opts.explain(bounded, registry, err)
}

// comesBack watches for a while whether somebody publishes the record again.
func (opts *deregisterOptions) comesBack(ctx context.Context, registry adsum.Registry) (bool, error) {
	if opts.Watch <= 0 {
		return false, nil
	}
	watching, stop := context.WithTimeout(ctx, opts.Watch)
	defer stop()
	back := false
	err := registry.Watch(watching, opts.Service, func(l adsum.Listing) {
		for _, in := range l.Instances {
			if in.ID == opts.ID {
				back = true
				stop()
			}
		}
	})
	if err != nil && watching.Err() == nil {
		return false, opts.explain(ctx, registry, err)
	}
	return back, nil
}
