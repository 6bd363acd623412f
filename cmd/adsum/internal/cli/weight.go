package cli

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adsum-go/adsum"
)

// maxWeight is the largest that a registry takes.
const maxWeight = 65535

type weightOptions struct {
	overrideOptions
	Weight int
}

func newCmdWeight(f *Factory, runF func(context.Context, *weightOptions) error) *cobra.Command {
	opts := &weightOptions{overrideOptions: overrideOptions{Factory: f}}
	cmd := &cobra.Command{
		Use:   "weight NAME ID N",
		Short: "Change a copy's share of the traffic",
		Long: `Impose a weight, from 1 to 65535, on one copy. Policies that know weights follow
in running clients as soon as the registry tells them; round robin and random do
not. It wins over what the copy says of itself, survives its restart, and stays
until it is undone.`,
		Example: `  adsum weight book 10.0.0.5:50051 10
  adsum weight book 10.0.0.5:50051 --undo`,
		Args:              cobra.RangeArgs(2, 3),
		ValidArgsFunction: f.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.parse(cmd, args); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runWeight(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.Undo, "undo", false, "go back to the weight that the copy gives itself")
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if errors.As(err, &unknown) {
			if digits := unknown.GetSpecifiedShortnames(); isNumber(digits) {
				return badWeight("-" + digits)
			}
		}
		return cmd.Parent().FlagErrorFunc()(cmd, err)
	})
	return cmd
}

// isNumber tells a negative weight from a flag, once its sign is off.
func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil && text[0] >= '0' && text[0] <= '9'
}

func badWeight(text string) error {
	return usagef("weight %q: give a number from 1 to %d; to send nothing new, use 'adsum drain'", text, maxWeight)
}

func (opts *weightOptions) parse(cmd *cobra.Command, args []string) error {
	opts.Service, opts.ID = args[0], args[1]
	switch {
	case opts.Undo && len(args) == 3:
		return usagef("--undo takes no weight, usage: %s", cmd.UseLine())
	case opts.Undo:
		return nil
	case len(args) != 3:
		return usagef("the weight is missing, usage: %s", cmd.UseLine())
	}
	n, err := strconv.Atoi(args[2])
	if err != nil || n < 1 || n > maxWeight {
		return badWeight(args[2])
	}
	opts.Weight = n
	return nil
}

func runWeight(ctx context.Context, opts *weightOptions) error {
	return opts.override(ctx, func(o *adsum.Override) { o.Weight = opts.Weight })
}
