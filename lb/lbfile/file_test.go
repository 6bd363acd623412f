package lbfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbfile"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines are what was logged since they were last taken.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// TestClientsFollowTheFileAndKeepTheLastGoodConfig runs on a virtual clock that is
// years behind that of the file system: each look reads the file.
func TestClientsFollowTheFileAndKeepTheLastGoodConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		path := filepath.Join(folder, "policy.json")
		write(t, path, `{"policy": "random"}`)
		var log lines
		f, err := lbfile.Open(path, lbfile.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, step := range []struct {
			name, text string // "" removes the file
			policy     string
			version    uint64
			fails      error
			says       string // in the error
			logs       string // in the one line that is logged; "" for none
		}{
			{"as it was", `{"policy": "random"}`, "random", 1, nil, "", ""},
			{"another", `{"policy": "maglev"}`, "maglev", 2, nil, "", "level=INFO"},
			{"no JSON", `{"policy"`, "maglev", 2, lb.ErrConfig, "no JSON object", "level=ERROR"},
			{"another mistake", `{"retry": {"max": 100}}`, "maglev", 2, lb.ErrConfig, "policy.json: bad balancing config: retry.max: 100", "retry.max: 100"},
			{"missing", "", "maglev", 2, fs.ErrNotExist, "policy.json", "level=ERROR"},
			{"the mistake again", `{"retry": {"max": 100}}`, "maglev", 2, lb.ErrConfig, "retry.max", "retry.max: 100"},
			{"too large", strings.Repeat(" ", 1<<20) + "{}", "maglev", 2, nil, "more than 1 MiB", "too large"},
			{"mended", `{"policy": "maglev"}`, "maglev", 3, nil, "", "version=3"},
			{"missing", "", "maglev", 3, fs.ErrNotExist, "policy.json", "level=ERROR"},
			{"back", `{"policy": "maglev"}`, "maglev", 3, nil, "", "again"},
			{"defaults", `{}`, "peak_ewma", 4, nil, "", "version=4"},
		} {
			if step.text == "" {
				os.Remove(path)
			} else {
				write(t, path+".new", step.text)
				if err := os.Rename(path+".new", path); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * lbfile.DefaultInterval)
			synctest.Wait()
			if got := f.Live(); got.Policy().Name() != step.policy || got.Version() != step.version {
				t.Errorf("%s: %s, version %d", step.name, got.Policy().Name(), got.Version())
			}
			if err := f.Err(); (err != nil) != (step.says != "") || step.fails != nil && !errors.Is(err, step.fails) ||
				err != nil && !strings.Contains(err.Error(), step.says) {
				t.Errorf("%s: %v", step.name, err)
			}
			logged := log.take()
			if n := strings.Count(logged, "\n"); (n == 0) != (step.logs == "") || n > 1 || !strings.Contains(logged, step.logs) {
				t.Errorf("%s: logged %s", step.name, logged)
			}
		}
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Error(err)
		}
		write(t, path, `{"policy": "random"}`)
		time.Sleep(10 * lbfile.DefaultInterval)
		if got := f.Live(); got.Version() != 4 || f.Err() != nil {
			t.Errorf("after Close: version %d, %v", got.Version(), f.Err())
		}
	})
}

func TestAFileIsValidatedAtTheStart(t *testing.T) {
	folder := t.TempDir()
	bad, empty, wide := filepath.Join(folder, "bad.json"), filepath.Join(folder, "empty.json"), filepath.Join(folder, "wide.json")
	write(t, bad, `{"polcy": "random"}`)
	write(t, empty, "")
	write(t, wide, strings.Repeat(" ", 1<<20)+"{}")
	for path, want := range map[string]string{
		bad:                                "bad.json: bad balancing config: polcy: there is no such field",
		empty:                              "no JSON object",
		wide:                               "more than 1 MiB",
		folder:                             "balancing config",
		filepath.Join(folder, "none.json"): "; write one before the program starts, {} for the defaults",
	} {
		if f, err := lbfile.Open(path, lbfile.Options{}); f != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), folder) != 1 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := lbfile.Open(bad, lbfile.Options{Interval: time.Millisecond}); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("interval: %v", err)
	}
}

func TestAnotherFormatIsConverted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.lines")
	convert := map[string]func([]byte) ([]byte, error){".lines": func(text []byte) ([]byte, error) {
		name, value, ok := strings.Cut(string(text), " ")
		if !ok {
			return nil, errors.New("no blank")
		}
		return fmt.Appendf(nil, "{%q: %q}", name, value), nil
	}}
	write(t, path, "zone")
	if _, err := lbfile.Open(path, lbfile.Options{Convert: convert}); !errors.Is(err, lb.ErrConfig) || !strings.Contains(err.Error(), "policy.lines: bad balancing config: it cannot be converted to JSON: no blank") {
		t.Errorf("%v", err)
	}
	write(t, path, "zone eu-1a")
	f, err := lbfile.Open(path, lbfile.Options{Convert: convert})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if zone := f.Live().Config().Zone; zone != "eu-1a" {
		t.Errorf("zone %q", zone)
	}
}
