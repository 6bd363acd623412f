package cli

import (
	"github.com/spf13/cobra"
)

type completionOptions struct {
	*Factory
	Root  *cobra.Command
	Shell string
}

func newCmdCompletion(f *Factory, runF func(*completionOptions) error) *cobra.Command {
	opts := &completionOptions{Factory: f}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a completion script for your shell",
		Example:   "  source <(adsum completion bash)\n  adsum completion zsh > \"${fpath[1]}/_adsum\"\n  adsum completion fish > ~/.config/fish/completions/adsum.fish",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Root, opts.Shell = cmd.Root(), args[0]
			if runF != nil {
				return runF(opts)
			}
			return runCompletion(opts)
		},
	}
}

func runCompletion(opts *completionOptions) error {
	switch opts.Shell {
	case "bash":
		return opts.Root.GenBashCompletionV2(opts.Out, true)
	case "zsh":
		return opts.Root.GenZshCompletion(opts.Out)
	case "fish":
		return opts.Root.GenFishCompletion(opts.Out, true)
	case "powershell":
		return opts.Root.GenPowerShellCompletionWithDesc(opts.Out)
	}
	return usagef("no completion for %q; use bash, zsh, fish or powershell", opts.Shell)
}
