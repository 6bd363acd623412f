package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
)

type drainOptions struct {
	overrideOptions
	Reason string
}

func newCmdDrain(f *Factory, runF func(context.Context, *drainOptions) error) *cobra.Command {
	opts := &drainOptions{overrideOptions: overrideOptions{Factory: f}}
	cmd := &cobra.Command{
		Use:   "drain NAME ID",
		Short: "Take a copy out of service without stopping it",
		Long: `Have callers finish what they have with one copy and send it nothing new. It
takes effect in running clients, without a reconnect, as soon as the registry
tells them; it wins over what the copy says of itself, survives its restart, and
stays until it is undone.`,
		Example: `  adsum drain book 10.0.0.5:50051 --reason "new disk"
  adsum drain book 10.0.0.5:50051 --undo`,
		Args:              exactArgs(2),
		ValidArgsFunction: f.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service, opts.ID = args[0], args[1]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDrain(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Undo, "undo", false, "put it back into service")
	cmd.Flags().StringVar(&opts.Reason, "reason", "drained by an operator", "what others are shown as the reason")
	return cmd
}

func runDrain(ctx context.Context, opts *drainOptions) error {
	return opts.override(ctx, func(o *adsum.Override) {
		o.Status, o.Reason = adsum.Draining, opts.Reason
		if opts.Undo {
			o.Status, o.Reason = "", ""
		}
	})
}
