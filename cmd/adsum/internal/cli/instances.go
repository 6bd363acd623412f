package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

type instancesOptions struct {
	*Factory
	Service string
	Tag     string
	All     bool
}

func newCmdInstances(f *Factory, runF func(context.Context, *instancesOptions) error) *cobra.Command {
	opts := &instancesOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "instances NAME",
		Short: "List the running copies of a service",
		Long: `List the copies of a service that take calls: those passing or warning. With
--all the others too, and why they do not.

The objects of -o json have the keys id, service, addr, endpoints, weight, zone,
version, tags, metadata, status and reason; later versions only add to them.
Without any instance to list the exit code is 4.`,
		Example: `  adsum instances book
  adsum instances book --all -o wide
  adsum instances book --tag canary -o json | jq -r '.[].addr'`,
		Args:              exactArgs(1),
		ValidArgsFunction: f.completeService,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runInstances(cmd.Context(), opts)
		},
	}
	cmd.Flags().BoolVar(&opts.All, "all", false, "also those that are starting, draining or critical")
	cmd.Flags().StringVar(&opts.Tag, "tag", "", "only those that carry the tag")
	return cmd
}

func runInstances(ctx context.Context, opts *instancesOptions) error {
	found, err := opts.find(ctx, opts.Service)
	if err != nil {
		return err
	}
	instances := selected(found.Instances, opts.Tag, !opts.All)
	err = opts.print(instances, func() error { return opts.printInstances(instances) })
	if err != nil {
		return err
	}
	if len(instances) == 0 {
		opts.noteNone(found, opts.Service, opts.Tag)
		return exitCode(exitNotFound)
	}
	return nil
}

// selected returns the instances in the order of their ids; never nil, which
// JSON would show as null.
func selected(all []*adsum.Instance, tag string, callableOnly bool) []*adsum.Instance {
	all = slices.SortedFunc(slices.Values(all), func(a, b *adsum.Instance) int { return strings.Compare(a.ID, b.ID) })
	s := adsum.Snapshot{Instances: all}
	return append([]*adsum.Instance{}, s.Select(tag, callableOnly)...)
}

func (opts *instancesOptions) printInstances(instances []*adsum.Instance) error {
	if opts.Output == FormatName {
		return printNames(opts.Factory, instances, func(in *adsum.Instance) string { return in.ID })
	}
	if len(instances) == 0 {
		return nil
	}
	wide := opts.Output == FormatWide
	table := &term.Table{OmitEmpty: !wide, Header: []string{"ID", "ADDR", "STATUS", "WEIGHT", "ZONE", "VERSION", "TAGS", "REASON"}}
	if wide {
		table.Header = append(table.Header, "ENDPOINTS", "METADATA")
	}
	for _, in := range instances {
		table.Rows = append(table.Rows, instanceRow(in, wide))
	}
	return table.Write(opts.Out, opts.Colours())
}

func instanceRow(in *adsum.Instance, wide bool) []term.Cell {
	row := []term.Cell{{Text: in.ID}, {Text: in.Addr}, statusCell(in), {Text: strconv.Itoa(in.Weight)},
		{Text: in.Zone}, {Text: in.Version}, {Text: strings.Join(in.Tags, ",")}, {Text: in.Reason}}
	if wide {
		row = append(row, term.Cell{Text: pairs(in.Endpoints)}, term.Cell{Text: pairs(in.Metadata)})
	}
	return row
}

func statusCell(in *adsum.Instance) term.Cell {
	cell := term.Cell{Text: string(in.Status), Style: statusStyle(in.Status)}
	if in.Reported != "" {
		cell.Text += " (reports " + string(in.Reported) + ")"
	}
	return cell
}

func statusStyle(s adsum.Status) term.Style {
	switch s {
	case adsum.Passing:
		return term.Green
	case adsum.Critical:
		return term.Red
	default:
		return term.Yellow
	}
}

func pairs(m map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+m[k])
	}
	return strings.Join(list, ",")
}
