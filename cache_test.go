package adsum_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

// remember fills a cache folder with one service of a registry.
func remember(t *testing.T, folder string) {
	t.Helper()
	registry := memory.New()
	reg := register(t, registry, book)
	defer reg.Close(t.Context())
	dir := adsum.NewDirectory(registry, adsum.WithCache(folder), quiet)
	defer dir.Close()
	if found, err := dir.Discover(t.Context(), "book", "", true); err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
}

func TestAClientThatStartsInAnOutageComesUpFromDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "made", "when", "missing")
		remember(t, folder)
		info, err := os.Stat(filepath.Join(folder, "book.json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		for name, fault := range map[string]func(*memory.Server){"down": (*memory.Server).Down, "frozen": (*memory.Server).Freeze} {
			server := memory.NewServer()
			fault(server)
			dir := adsum.NewDirectory(server.Client(), adsum.WithCache(folder), quiet)
			snapshot, err := dir.Snapshot(t.Context(), "book")
			dir.Close()
			if err != nil || len(snapshot.Instances) != 1 || !snapshot.FromDisk || !snapshot.Stale() || !snapshot.Instances[0].Equal(instance(book)) {
				t.Errorf("%s: %+v, %v", name, snapshot, err)
			}
		}
	})
}

func TestWhatAKilledWriterLeftBehindIsRemovedOnceItIsOld(t *testing.T) {
	folder := t.TempDir()
	remember(t, folder)
	const old, young, foreign = ".book.json.1234", ".book.json.5678", ".notes"
	for _, name := range []string{old, young, foreign} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hourAgo := time.Now().Add(-time.Hour)
	for _, name := range []string{old, foreign} {
		if err := os.Chtimes(filepath.Join(folder, name), hourAgo, hourAgo); err != nil {
			t.Fatal(err)
		}
	}
	remember(t, folder)
	var left []string
	files, err := os.ReadDir(folder)
	for _, file := range files {
		left = append(left, file.Name())
	}
	if want := []string{young, foreign, "book.json"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, %v, want %q", left, err, want)
	}
}

// stuckLog is a log, or the disk below it, that takes one message for ever.
type stuckLog struct {
	slog.Handler
	message       string
	reached, free chan struct{}
}

func (l stuckLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == l.message {
		close(l.reached)
		<-l.free
	}
	return l.Handler.Handle(ctx, r)
}

func (l stuckLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.Handler = l.Handler.WithAttrs(attrs)
	return l
}

func TestADiskThatHangsDoesNotHoldUpSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "a file and no folder")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		log := stuckLog{slog.NewTextHandler(io.Discard, nil), "cannot keep the last known good on disk", make(chan struct{}), make(chan struct{})}
		registry := memory.New()
		dir := adsum.NewDirectory(registry, adsum.WithCache(file), adsum.WithLogger(slog.New(log)))
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		<-log.reached
		reg := register(t, registry, book)
		time.Sleep(time.Minute)
		if n := len(view.Snapshot().Instances); n != 1 {
			t.Errorf("%d instances while a write hangs, want 1", n)
		}
		close(log.free)
		view.Close()
		dir.Close()
		reg.Close(t.Context())
	})
}

func instance(in adsum.Instance) *adsum.Instance { in = in.WithDefaults(); return &in }

func TestTheRegistrysAnswerWinsOverTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		remember(t, folder)
		dir := adsum.NewDirectory(memory.New(), adsum.WithCache(folder), quiet)
		defer dir.Close()
		snapshot, err := dir.Snapshot(t.Context(), "book")
		if err != nil || len(snapshot.Instances) != 0 || snapshot.FromDisk || snapshot.Stale() {
			t.Errorf("%+v, %v", snapshot, err)
		}
	})
}

func TestAFileThatCannotBeUsedIsIgnoredWithALogLine(t *testing.T) {
	for name, spoil := range map[string]struct {
		do   func(path string) error
		says string
	}{
		"corrupt":          {func(p string) error { return os.WriteFile(p, []byte(`{"version":1,`), 0o600) }, "corrupt"},
		"empty":            {func(p string) error { return os.WriteFile(p, nil, 0o600) }, "corrupt"},
		"from the future":  {edit("version", 99), "version 99"},
		"other registry":   {edit("registry", "etcd://elsewhere"), "elsewhere"},
		"other service":    {edit("service", "shelf"), "shelf"},
		"bad address":      {edit("instances", []any{map[string]any{"id": "a", "addr": "x"}}), "corrupt"},
		"null instance":    {edit("instances", []any{nil}), "corrupt"},
		"too old":          {func(p string) error { return os.Chtimes(p, time.Now(), time.Now().Add(-25*time.Hour)) }, "older than 24h"},
		"a folder instead": {func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, "ignored"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				folder := t.TempDir()
				remember(t, folder)
				if err := spoil.do(filepath.Join(folder, "book.json")); err != nil {
					t.Fatal(err)
				}
				var log bytes.Buffer
				server := memory.NewServer()
				server.Down()
				dir := adsum.NewDirectory(server.Client(), adsum.WithCache(folder), adsum.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				_, err := dir.Snapshot(ctx, "book")
				dir.Close()
				if !errors.Is(err, adsum.ErrNoSnapshot) || !errors.Is(err, memory.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
				if !strings.Contains(log.String(), spoil.says) {
					t.Errorf("the log does not say %q:\n%s", spoil.says, &log)
				}
			})
		})
	}
}

func edit(key string, value any) func(string) error {
	return func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var file map[string]any
		if err := json.Unmarshal(data, &file); err != nil {
			return err
		}
		file[key] = value
		data, err = json.Marshal(file)
		if err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o600)
	}
}

func TestAnUnchangedServiceDoesNotGrowTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		registry := memory.New()
		register(t, registry, book)
		dir := adsum.NewDirectory(registry, adsum.WithCache(folder), quiet)
		defer dir.Close()
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		info, err := os.Stat(filepath.Join(folder, "book.json"))
		if err != nil || time.Since(info.ModTime()) > 2*time.Minute {
			t.Errorf("confirmed %v ago, %v", time.Since(info.ModTime()), err)
		}
	})
}

func FuzzTheCacheFileIsReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"version":1,"registry":"memory:","service":"book","instances":[{"id":"a","addr":"h:1"}]}`))
	f.Add([]byte(`{"version":1,"registry":"memory:","service":"book","instances":[{"id":"a","addr":"h:1"},{"id":"a","addr":"h:1"}]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := adsum.DecodeCache(data)
		if err != nil {
			return
		}
		for _, in := range file {
			if in.ID == "" || adsum.ValidateAddr(in.Addr) != nil {
				t.Errorf("accepted %+v", in)
			}
		}
	})
}
