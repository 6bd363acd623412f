package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	xmodule "golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// publish writes the modules of the tree into dir in the layout of a module
// proxy, so that GOPROXY=file://dir serves them.
func publish(dir string, t *tree, modules []module, version string) error {
	for _, m := range modules {
		escaped, err := xmodule.EscapePath(m.path)
		if err != nil {
			return err
		}
		versions := filepath.Join(dir, filepath.FromSlash(escaped), "@v")
		if err := os.MkdirAll(versions, 0o755); err != nil {
			return err
		}
		if err := publishVersion(filepath.Join(versions, version), filepath.Join(t.dir, filepath.FromSlash(m.dir)), m, version); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(versions, "list"), []byte(version+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// publishVersion writes the three files of one version: stem.info, .mod, .zip.
func publishVersion(stem, source string, m module, version string) error {
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{version, time.Now().UTC()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(stem+".info", info, 0o644); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(stem+".mod", mod, 0o644); err != nil {
		return err
	}
	archive, err := os.Create(stem + ".zip")
	if err != nil {
		return err
	}
	defer archive.Close()
	if err := zip.CreateFromDir(archive, xmodule.Version{Path: m.path, Version: version}, source); err != nil {
		return err
	}
	return archive.Close()
}
