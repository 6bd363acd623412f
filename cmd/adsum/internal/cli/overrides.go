package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

type overridesOptions struct {
	*Factory
	Service string
}

func newCmdOverrides(f *Factory, runF func(context.Context, *overridesOptions) error) *cobra.Command {
	opts := &overridesOptions{Factory: f}
	return &cobra.Command{
		Use:   "overrides NAME",
		Short: "List what operators imposed on a service",
		Long: `List what 'adsum drain' and 'adsum weight' imposed on copies of a service, those
that are not there now included. An override wins over what a copy says of
itself, survives its restart, and stays until it is undone.`,
		Example: `  adsum overrides book
  adsum overrides book -o name | xargs -n 1 adsum drain book --undo`,
		Args:              exactArgs(1),
		ValidArgsFunction: f.completeService,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runOverrides(cmd.Context(), opts)
		},
	}
}

// overrideRow is one line of the list. Empty fields override nothing.
type overrideRow struct {
	ID     string       `json:"id"`
	Status adsum.Status `json:"status"`
	Weight int          `json:"weight"`
	Reason string       `json:"reason"`
}

func runOverrides(ctx context.Context, opts *overridesOptions) error {
	if err := adsum.ValidateService(opts.Service); err != nil {
		return err
	}
	registry, overrider, err := opts.overrider()
	if err != nil {
		return err
	}
	defer registry.Close()
	bounded, cancel := opts.within(ctx)
	defer cancel()
	all, err := overrider.Overrides(bounded, opts.Service)
	if err != nil {
		return opts.explain(bounded, registry, err)
	}
	rows := make([]overrideRow, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, overrideRow{id, all[id].Status, all[id].Weight, all[id].Reason})
	}
	return opts.print(rows, func() error { return opts.table(rows, registry) })
}

func (opts *overridesOptions) table(rows []overrideRow, registry adsum.Registry) error {
	if opts.Output == FormatName {
		return printNames(opts.Factory, rows, func(row overrideRow) string { return row.ID })
	}
	if len(rows) == 0 {
		opts.Notef("no overrides on %s in %s", opts.Service, registry.Capabilities().Registry)
		return nil
	}
	table := &term.Table{Header: []string{"ID", "STATUS", "WEIGHT", "REASON"}, OmitEmpty: true}
	for _, row := range rows {
		weight := ""
		if row.Weight != 0 {
			weight = strconv.Itoa(row.Weight)
		}
		table.Row(row.ID, string(row.Status), weight, row.Reason)
	}
	return table.Write(opts.Out, opts.Colours())
}
