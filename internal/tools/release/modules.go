package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// unreleased are modules of go.work that exist for development only.
var unreleased = []string{"test"}

// module is one released module of the tree.
type module struct {
	path string
	dir  string // below the root of the tree, with slashes; "." is the root
	file *modfile.File
}

// tag returns the name under which Go looks for the module's version.
func (m module) tag(version string) string { return path.Join(m.dir, version) }

// rewrite makes the go.mod files of the released modules ready to be
// published: siblings required at version, no replace lines. It returns the
// modules, each after those it needs.
func rewrite(root, version string) ([]module, error) {
	modules, err := read(root)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, m := range modules {
		ours[m.path] = true
	}
	for _, m := range modules {
		for _, r := range slices.Clone(m.file.Require) {
			if !ours[r.Mod.Path] {
				continue
			}
			if err := m.file.AddRequire(r.Mod.Path, version); err != nil {
				return nil, err
			}
		}
		for _, r := range slices.Clone(m.file.Replace) {
			if err := m.file.DropReplace(r.Old.Path, r.Old.Version); err != nil {
				return nil, err
			}
		}
		m.file.Cleanup()
		data, err := m.file.Format()
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(m.dir), "go.mod"), data, 0o644); err != nil {
			return nil, err
		}
	}
	return order(modules)
}

// read parses the go.mod files of the modules that go.work names.
func read(root string) ([]module, error) {
	data, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		return nil, err
	}
	var modules []module
	for _, use := range work.Use {
		dir := path.Clean(use.Path)
		if slices.Contains(unreleased, dir) {
			continue
		}
		name := filepath.Join(root, filepath.FromSlash(dir), "go.mod")
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := modfile.Parse(name, data, nil)
		if err != nil {
			return nil, err
		}
		modules = append(modules, module{path: file.Module.Mod.Path, dir: dir, file: file})
	}
	return modules, nil
}

// order sorts the modules so that each comes after those it requires.
func order(modules []module) ([]module, error) {
	var sorted []module
	done := map[string]bool{}
	for len(sorted) < len(modules) {
		before := len(sorted)
		for _, m := range modules {
			if !done[m.path] && !waits(m, modules, done) {
				sorted, done[m.path] = append(sorted, m), true
			}
		}
		if len(sorted) == before {
			var left []string
			for _, m := range modules {
				if !done[m.path] {
					left = append(left, m.dir)
				}
			}
			return nil, fmt.Errorf("modules require each other in a circle: %s", strings.Join(left, ", "))
		}
	}
	return sorted, nil
}

// waits tells whether m requires one of the modules that is not done yet.
func waits(m module, modules []module, done map[string]bool) bool {
	return slices.ContainsFunc(m.file.Require, func(r *modfile.Require) bool {
		return !done[r.Mod.Path] && slices.ContainsFunc(modules, func(o module) bool { return o.path == r.Mod.Path })
	})
}
