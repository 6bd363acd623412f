package cli

import "github.com/spf13/cobra"

// exactArgs wants n arguments, and says what they are otherwise.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%d arguments given, usage: %s", len(args), cmd.UseLine())
		}
		return nil
	}
}
