//go:build unix

package servers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// aptInstall installs Debian packages, which are chosen once the lists of what
// there is are up to date. Products that are prepared side by side queue for
// it: a second apt-get fails instead of waiting.
func aptInstall(ctx context.Context, p *progress, apt string, choose func() []string) error {
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	lock, err := lockFile(filepath.Join(cache, "apt.lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := p.run(ctx, "apt-get update", exec.CommandContext(ctx, apt, "update")); err != nil {
		return err
	}
	packages := choose()
	install := exec.CommandContext(ctx, apt, append([]string{"install", "-y", "--no-install-recommends"}, packages...)...)
	install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	return p.run(ctx, "apt-get install "+strings.Join(packages, " "), install)
}
