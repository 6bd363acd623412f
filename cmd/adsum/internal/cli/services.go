package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

type servicesOptions struct {
	*Factory
}

func newCmdServices(f *Factory, runF func(context.Context, *servicesOptions) error) *cobra.Command {
	opts := &servicesOptions{Factory: f}
	return &cobra.Command{
		Use:   "services",
		Short: "List the services of a registry",
		Long: `List the services that have at least one record, how many copies each has, and
how many of those take calls.`,
		Example: `  adsum services
  adsum services -o name
  adsum services --registry etcd://10.0.0.7:2379/services -o json`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runServices(cmd.Context(), opts)
		},
	}
}

// serviceSummary is one line of the list.
type serviceSummary struct {
	Service   string `json:"service"`
	Instances int    `json:"instances"`
	Callable  int    `json:"callable"`
}

func runServices(ctx context.Context, opts *servicesOptions) error {
	registry, err := opts.Registry()
	if err != nil {
		return err
	}
	defer registry.Close()
	names, err := opts.names(ctx, registry)
	if err != nil {
		return err
	}
	if opts.Output == FormatName {
		return printNames(opts.Factory, names, func(name string) string { return name })
	}
	services, err := opts.summarize(ctx, registry, names)
	if err != nil {
		return err
	}
	return opts.print(services, func() error {
		if len(services) == 0 {
			opts.Notef("no services in %s", registry.Capabilities().Registry)
			return nil
		}
		table := &term.Table{Header: []string{"SERVICE", "INSTANCES", "CALLABLE"}}
		for _, s := range services {
			table.Row(s.Service, strconv.Itoa(s.Instances), strconv.Itoa(s.Callable))
		}
		return table.Write(opts.Out, opts.Colours())
	})
}

func (f *Factory) names(ctx context.Context, registry adsum.Registry) ([]string, error) {
	ctx, cancel := f.within(ctx)
	defer cancel()
	dir := adsum.NewDirectory(registry, adsum.WithLogger(f.Logger()))
	defer dir.Close()
	names, err := dir.Services(ctx)
	if err != nil {
		return nil, f.explain(ctx, registry, err)
	}
	return slices.DeleteFunc(names, f.noName), nil
}

// noName tells, and says, that what lies in the registry is no service's name.
func (f *Factory) noName(name string) bool {
	err := adsum.ValidateService(name)
	if err != nil {
		f.Notef("skipped: %v", err)
	}
	return err != nil
}

// summarize counts the copies of every service, some services at a time.
func (f *Factory) summarize(ctx context.Context, registry adsum.Registry, names []string) ([]serviceSummary, error) {
	const atATime = 16
	summaries, errs := make([]serviceSummary, len(names)), make([]error, len(names))
	slots := make(chan struct{}, atATime)
	var all sync.WaitGroup
	for i, name := range names {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			listing, err := f.list(ctx, registry, name)
			summaries[i], errs[i] = summary(name, listing), err
		})
	}
	all.Wait()
	return summaries, errors.Join(errs...)
}

func summary(name string, listing adsum.Listing) serviceSummary {
	s := serviceSummary{Service: name, Instances: len(listing.Instances)}
	for _, in := range listing.Instances {
		if in.Status.Callable() {
			s.Callable++
		}
	}
	return s
}
