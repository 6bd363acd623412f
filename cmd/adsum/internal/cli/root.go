package cli

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newCmdRoot(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adsum",
		Short: "Services that find each other",
		Long: `adsum registers, finds, watches and calls services, over the registry you
already run, and brings a real etcd for where there is none yet.

Data goes to standard output, everything else to standard error. Exit codes:
0 fine, 1 usage, 2 could not connect, 3 the call failed, 4 not serving or not
found, 5 waited too long.`,
		Example: `  adsum demo                       # see it work; needs nothing installed
  adsum serve &                    # a registry on 127.0.0.1:2379
  adsum run --name web --port 8080 --check http://127.0.0.1:8080/ -- python3 -m http.server 8080
  adsum instances web -o json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	cmd.SetIn(f.In)
	cmd.SetOut(f.Out)
	cmd.SetErr(f.Err)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w\nSee '%s --help'.", err, cmd.CommandPath())
	})
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error {
		if f.Timeout < 0 {
			return usagef("--timeout %v is negative; give a time such as 5s, or 0 to wait for ever", f.Timeout)
		}
		return nil
	}

	f.Output = FormatTable
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.RegistryURL, "registry", "", "URL of the registry; also ADSUM_REGISTRY (default "+defaultRegistry+")")
	flags.VarP(&f.Output, "output", "o", "table, wide, json, jsonl, yaml or name")
	flags.DurationVar(&f.Timeout, "timeout", 5*time.Second, "how long to wait for an answer; 0 for ever")
	flags.BoolVarP(&f.Verbose, "verbose", "v", false, "log what the library sees")
	flags.BoolVar(&f.NoColor, "no-color", os.Getenv("NO_COLOR") != "", "no colours; also NO_COLOR")

	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp))

	cmd.AddCommand(
		newCmdDemo(f, nil),
		newCmdDemoServer(f, nil),
		newCmdServe(f, nil),
		newCmdServices(f, nil),
		newCmdInstances(f, nil),
		newCmdResolve(f, nil),
		newCmdWatch(f, nil),
		newCmdCall(f, nil),
		newCmdBench(f, nil),
		newCmdExplain(f, nil),
		newCmdRegister(f, nil),
		newCmdDeregister(f, nil),
		newCmdRun(f, nil),
		newCmdDrain(f, nil),
		newCmdWeight(f, nil),
		newCmdOverrides(f, nil),
		newCmdMirror(f, nil),
		newCmdVersion(f, nil),
		newCmdCompletion(f, nil),
	)
	return cmd
}

func unknownCommand(root *cobra.Command, name string) error {
	hint := "see 'adsum --help'"
	if like := root.SuggestionsFor(name); len(like) > 0 {
		hint = "did you mean " + strings.Join(like, " or ") + "?"
	}
	return usagef("there is no command %q; %s", name, hint)
}
