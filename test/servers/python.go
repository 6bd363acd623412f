//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// minPython is the oldest Python that the pinned libraries run on.
const minPython = "3.9"

// requirementsFile pins the libraries by version and hash.
const requirementsFile = "pythonclients/requirements.txt"

// pythonArtifact is no server but a Python with the registries' clients.
var pythonArtifact = &artifact{
	name:   "python",
	title:  "the Python environment of py-eureka-client and kazoo",
	inputs: []string{requirementsFile},
	check: func(dir string) error {
		_, err := os.Stat(pythonPath(dir)) // a link to the system's Python, which may be gone
		return err
	},
	build: pythonEnvironment,
}

// Python is the path of a Python that has py-eureka-client, for Eureka, and
// kazoo, for ZooKeeper.
func Python(t testing.TB) string {
	t.Helper()
	dir, err := pythonArtifact.find()
	if err != nil {
		t.Fatal(err)
	}
	return pythonPath(dir)
}

func pythonPath(dir string) string { return filepath.Join(dir, "bin", "python") }

// pythonEnvironment makes a virtual environment in dir and installs the pinned
// libraries into it, wheels only, so that nothing is compiled.
func pythonEnvironment(ctx context.Context, p *progress, dir string) error {
	source, err := sourceDir()
	if err != nil {
		return err
	}
	python, err := pythonTools(ctx, p)
	if err != nil {
		return err
	}
	if err := p.run(ctx, "making a virtual environment", exec.CommandContext(ctx, python, "-m", "venv", dir)); err != nil {
		return err
	}
	install := exec.CommandContext(ctx, pythonPath(dir), "-m", "pip", "install", "-q", "--disable-pip-version-check",
		"--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", filepath.Join(source, requirementsFile))
	return p.run(ctx, "fetching libraries from PyPI", install)
}

// pythonTools finds a Python that makes virtual environments, and has the
// system's package manager install what is missing.
func pythonTools(ctx context.Context, p *progress) (string, error) {
	python, err := findPython(ctx)
	if err == nil {
		return python, nil
	}
	p.printf("%v", err)
	if installErr := installPython(ctx, p); installErr != nil {
		return "", fmt.Errorf("%w; %w", err, installErr)
	}
	return findPython(ctx)
}

// canMakeEnvironments fails on Debian's bare Python, whose venv is there but
// has no pip to put into an environment.
const canMakeEnvironments = "import sys, venv, ensurepip; sys.exit(sys.version_info < tuple(map(int, sys.argv[1].split('.'))))"

func findPython(ctx context.Context) (string, error) {
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.CommandContext(ctx, python, "-c", canMakeEnvironments, minPython).Run()
	}
	if err != nil {
		return "", fmt.Errorf("no Python (python3) of version %s or newer with venv and ensurepip on the PATH", minPython)
	}
	return python, nil
}

func installPython(ctx context.Context, p *progress) error {
	if apt, err := exec.LookPath("apt-get"); err == nil && os.Geteuid() == 0 {
		return aptInstall(ctx, p, apt, func() []string { return []string{"python3-venv"} })
	}
	if brew, err := exec.LookPath("brew"); err == nil && os.Geteuid() != 0 {
		return p.run(ctx, "brew install python", exec.CommandContext(ctx, brew, "install", "python"))
	}
	return errors.New("install it and run this again: on Debian and Ubuntu as root " +
		"`apt-get update && apt-get install python3-venv`, on macOS `brew install python`")
}
