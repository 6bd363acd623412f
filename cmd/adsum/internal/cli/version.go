package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionOptions struct {
	*Factory
}

func newCmdVersion(f *Factory, runF func(*versionOptions) error) *cobra.Command {
	opts := &versionOptions{Factory: f}
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of adsum",
		Example: "  adsum version\n  adsum version -o json",
		Args:    exactArgs(0),
		RunE: func(*cobra.Command, []string) error {
			if runF != nil {
				return runF(opts)
			}
			return runVersion(opts)
		},
	}
}

// build says what this program was built from.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Etcd     string `json:"etcd"`
}

func runVersion(opts *versionOptions) error {
	b := readBuild()
	return opts.print(b, func() error {
		line := "adsum " + b.Version
		if b.Revision != "" {
			line += " (" + b.Revision + ")"
		}
		_, err := fmt.Fprintf(opts.Out, "%s, %s, %s, etcd %s\n", line, b.Go, b.Platform, b.Etcd)
		return err
	})
}

func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value[:min(12, len(s.Value))]
		}
	}
	for _, dep := range info.Deps {
		if dep.Path == "go.etcd.io/etcd/server/v3" {
			b.Etcd = dep.Version
		}
	}
	return b
}
