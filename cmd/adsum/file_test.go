//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFolderOfFilesIsARegistry(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"book.json":  `["127.0.0.1:1", {"addr": "127.0.0.1:2", "weight": 3}]`,
		"shelf.yaml": "- addr: 127.0.0.1:3\n  zone: a\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := "file:" + dir
	if code, out, errs := run(t, url, "services", "-o", "name"); code != 0 || out != "book\nshelf\n" {
		t.Errorf("exit %d, %q, %s", code, out, errs)
	}
	if code, out, errs := run(t, url, "resolve", "shelf"); code != 0 || out != "127.0.0.1:3\n" {
		t.Errorf("exit %d, %q, %s", code, out, errs)
	}
	if code, _, errs := run(t, url, "register", "--name", "book", "--addr", "127.0.0.1:4"); code != 3 {
		t.Errorf("registering in files: exit %d, want 3; %s", code, errs)
	}
	if code, _, errs := run(t, url+"/nowhere", "services"); code != 2 {
		t.Errorf("no such folder: exit %d, want 2; %s", code, errs)
	}
}
