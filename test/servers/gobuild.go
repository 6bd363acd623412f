//go:build unix

package servers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// goFlags are the flags of every server built from Go source. Stripped, the
// programs link faster and are a third smaller.
var goFlags = []string{"-buildvcs=false", "-ldflags=-s -w"}

// goBuild returns a build function that compiles one package, in the module
// in the folder module beside this package, into a program. The module stands
// outside the workspace, and cgo is off so that no C compiler is needed.
func goBuild(module, pkg, program string) func(context.Context, *progress, string) error {
	return func(ctx context.Context, p *progress, dir string) error {
		source, err := sourceDir()
		if err != nil {
			return err
		}
		args := append([]string{"build", "-o", filepath.Join(dir, program)}, goFlags...)
		cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
		cmd.Dir = filepath.Join(source, module)
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
		return p.run(ctx, "building it from Go source", cmd)
	}
}
