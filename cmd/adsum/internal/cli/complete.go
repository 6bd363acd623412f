package cli

import (
	"time"

	"github.com/spf13/cobra"
)

// completeLimit is how long a shell waits for names from the registry.
const completeLimit = time.Second

// completeService offers the names of services that the registry knows, for
// the first argument of a command.
func (f *Factory) completeService(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	registry, err := f.Registry()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer registry.Close()
	f.Timeout = min(f.Timeout, completeLimit)
	names, err := f.names(cmd.Context(), registry)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeInstance offers, after the name of a service, the ids of its
// instances.
func (f *Factory) completeInstance(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return f.completeService(cmd, args, toComplete)
	}
	f.Timeout = min(f.Timeout, completeLimit)
	found, err := f.find(cmd.Context(), args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, in := range selected(found.Instances, "", false) {
		ids = append(ids, in.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
