package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

type resolveOptions struct {
	*Factory
	Service   string
	Tag       string
	Protocols []string
}

func newCmdResolve(f *Factory, runF func(context.Context, *resolveOptions) error) *cobra.Command {
	opts := &resolveOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "resolve NAME",
		Short: "Print the addresses that calls to a service go to",
		Long: `Print the addresses that calls to a service go to now, one a line: those of the
copies that are passing or warning, by the first of --protocol that a copy offers
an endpoint for, else its address.

When nothing serves, nothing is printed and the exit code is 4.`,
		Example: `  adsum resolve book
  adsum resolve book --protocol grpc
  curl "http://$(adsum resolve web | shuf -n 1)/"`,
		Args:              exactArgs(1),
		ValidArgsFunction: f.completeService,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runResolve(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringSliceVar(&opts.Protocols, "protocol", nil, "endpoints to prefer, such as grpc or http,https")
	cmd.Flags().StringVar(&opts.Tag, "tag", "", "only copies that carry the tag")
	return cmd
}

// resolved is one address of a service.
type resolved struct {
	Addr     string `json:"addr"`
	Protocol string `json:"protocol"`
	ID       string `json:"id"`
	Weight   int    `json:"weight"`
	Zone     string `json:"zone"`
}

func runResolve(ctx context.Context, opts *resolveOptions) error {
	found, err := opts.find(ctx, opts.Service)
	if err != nil {
		return err
	}
	addrs := opts.resolve(selected(found.Instances, opts.Tag, true))
	err = opts.print(addrs, func() error { return opts.printAddrs(addrs) })
	if err != nil {
		return err
	}
	if len(addrs) == 0 {
		opts.noteNone(found, opts.Service, opts.Tag)
		return exitCode(exitNotFound)
	}
	return nil
}

func (opts *resolveOptions) resolve(instances []*adsum.Instance) []resolved {
	addrs := []resolved{}
	for _, in := range instances {
		addr, protocol := in.Address(opts.Protocols...)
		addrs = append(addrs, resolved{addr, protocol, in.ID, in.Weight, in.Zone})
	}
	return addrs
}

func (opts *resolveOptions) printAddrs(addrs []resolved) error {
	for _, a := range addrs {
		line := term.Clean(a.Addr)
		if opts.Output == FormatWide {
			line = fmt.Sprintf("%s\t%s\t%s\tweight %d\t%s", line, a.Protocol, term.Clean(a.ID), a.Weight, term.Clean(a.Zone))
		}
		if _, err := fmt.Fprintln(opts.Out, line); err != nil {
			return err
		}
	}
	return nil
}
