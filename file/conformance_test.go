package file_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/file"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func TestConformance(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	folder := func(base string) (string, error) {
		path := filepath.Join(root, base)
		return path, os.MkdirAll(path, 0o700)
	}
	const noServer = "a file has no server"
	adsumtest.Conformance(t, adsumtest.Harness{
		Registry: "a folder",
		Connect: func(t testing.TB, base string) *adsumtest.Client {
			path, err := folder(base)
			if err != nil {
				t.Fatal(err)
			}
			registry, err := file.New(path, file.Options{Interval: 20 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			return &adsumtest.Client{Registry: registry}
		},
		Server: disk{root},
		NotApplicable: map[int]string{
			17: "what is removed from a file is gone on purpose", 18: "a file has no sequence", 19: "a file keeps no history of changes",
			20: "nothing in a file runs out",
			22: "a local file does not freeze", 23: noServer,
			29: "tests may run as root, whom a file system denies nothing", 30: "a file has no credentials",
			24: "all clients read one disk", 34: noServer, 36: noServer,
		},
		Fill: func(_ context.Context, base, service string, instances []adsum.Instance) error {
			path, err := folder(base)
			if err != nil {
				return err
			}
			if instances == nil {
				instances = []adsum.Instance{}
			}
			data, err := json.Marshal(instances)
			if err != nil {
				return err
			}
			return replace(filepath.Join(path, service+".json"), data)
		},
		Malform: func(_ context.Context, base, service string) error {
			path, err := folder(base)
			if err != nil {
				return err
			}
			return replace(filepath.Join(path, "broken.json"), []byte(fmt.Sprintf(`{%q: [{"addr": 7}]}`, service)))
		},
	})
}

// replace renames a new file onto the old one, as the documentation asks.
func replace(path string, data []byte) error {
	temp := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// disk is a file system that can be unmounted.
type disk struct{ root string }

func (d disk) Kill() error { return os.Rename(d.root, d.root+".away") }

func (d disk) Start() error {
	if _, err := os.Stat(d.root); err == nil {
		return nil
	}
	return os.Rename(d.root+".away", d.root)
}

func (d disk) Freeze() error { return errors.ErrUnsupported }
func (d disk) Thaw() error   { return errors.ErrUnsupported }
func (d disk) Wipe() error   { return errors.ErrUnsupported }
