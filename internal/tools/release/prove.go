package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const command = "github.com/adsum-go/adsum/cmd/adsum"

// provenVersion is another one for every proof: the go command takes a version
// that it has seen for known, even when its files are gone.
func provenVersion(now time.Time) string {
	return "v0.0.0-proof." + now.UTC().Format("20060102150405")
}

// proveInstall does what a stranger does after the release: installs and runs
// the command, and builds every package in a module of their own.
func proveInstall(t *tree, modules []module, version string) error {
	proxy := filepath.Join(t.top, "proxy")
	if err := publish(proxy, t, modules, version); err != nil {
		return err
	}
	stranger := stranger{dir: filepath.Join(t.top, "stranger"), bin: filepath.Join(t.top, "bin")}
	if err := os.Mkdir(stranger.dir, 0o755); err != nil {
		return err
	}
	usual, err := exec.Command("go", "env", "GOPROXY", "GOMODCACHE").Output()
	if err != nil {
		return err
	}
	goproxy, cache, _ := strings.Cut(strings.TrimSpace(string(usual)), "\n")
	stranger.env = []string{
		"GOPROXY=file://" + filepath.ToSlash(proxy) + "," + goproxy,
		"GOWORK=off", "GOFLAGS=", "GOBIN=" + stranger.bin,
		// Only our own modules are new; the checksums of the others are
		// those of go.sum, which every other build checks.
		"GOSUMDB=off",
	}
	return errors.Join(stranger.tries(modules, version), forget(cache, modules, version))
}

type stranger struct {
	dir, bin string
	env      []string
}

func (s stranger) tries(modules []module, version string) error {
	if err := s.runs("go", "install", command+"@"+version); err != nil {
		return err
	}
	if err := s.runs(filepath.Join(s.bin, "adsum"), "version"); err != nil {
		return err
	}
	if err := s.runs("go", "mod", "init", "example.com/stranger"); err != nil {
		return err
	}
	get, build := []string{"get"}, []string{"build"}
	for _, m := range modules {
		get, build = append(get, m.path+"@"+version), append(build, m.path+"/...")
	}
	if err := s.runs("go", get...); err != nil {
		return err
	}
	return s.runs("go", build...)
}

func (s stranger) runs(name string, args ...string) error {
	fmt.Println("$", filepath.Base(name), strings.Join(args, " "))
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	var chatter bytes.Buffer // every module found and added
	cmd.Stdout, cmd.Stderr = os.Stdout, &chatter
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, &chatter)
	}
	return nil
}

// forget removes the proven version from the module cache: it was no release.
func forget(cache string, modules []module, version string) error {
	var problems []error
	for _, m := range modules {
		files, _ := filepath.Glob(filepath.Join(cache, "cache", "download", filepath.FromSlash(m.path), "@v", version+".*"))
		for _, file := range files {
			problems = append(problems, os.Remove(file))
		}
		dir := filepath.Join(cache, filepath.FromSlash(m.path)+"@"+version)
		problems = append(problems, makeWritable(dir), os.RemoveAll(dir))
	}
	return errors.Join(problems...)
}

// makeWritable undoes the module cache's protection of a folder that may not
// be there.
func makeWritable(dir string) error {
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(name, 0o755)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
