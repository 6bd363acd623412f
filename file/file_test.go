package file_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/file"
)

var quiet = adsum.WithLogger(slog.New(slog.DiscardHandler))

// list answers once what a registry says of a service: "id addr weight" each,
// and what was skipped.
func list(t *testing.T, registry adsum.Registry, service string) (instances, skipped []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := registry.Watch(ctx, service, func(l adsum.Listing) {
		if ctx.Err() != nil {
			return
		}
		for _, in := range l.Instances {
			instances = append(instances, fmt.Sprintf("%s %s %d", in.ID, in.Addr, in.Weight))
		}
		for _, s := range l.Skipped {
			skipped = append(skipped, s.Key+": "+s.Err.Error())
		}
		cancel()
	})
	if err != nil {
		t.Fatal(err)
	}
	return instances, skipped
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string, opts file.Options) adsum.Registry {
	t.Helper()
	registry, err := file.New(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func TestEveryShapeOfContentIsRead(t *testing.T) {
	for name, test := range map[string]struct {
		content   string
		want      []string
		skipped   []string // parts of what is said
		inService string
	}{
		"addresses":        {content: `["h:1", "h:2"]`, want: []string{"h:1 h:1 1", "h:2 h:2 1"}},
		"instances":        {content: `[{"addr": "h:1", "id": "a", "weight": 3}]`, want: []string{"a h:1 3"}},
		"one instance":     {content: `{"addr": "h:1"}`, want: []string{"h:1 h:1 1"}},
		"by service":       {content: `{"shelf": ["h:1"], "book": ["h:2", {"addr": "h:3"}]}`, want: []string{"h:2 h:2 1", "h:3 h:3 1"}},
		"names itself":     {content: `[{"addr": "h:1", "service": "shelf"}, "h:2"]`, want: []string{"h:1 h:1 1"}, inService: "shelf"},
		"file_sd":          {content: `[{"targets": ["h:1", "h:2"], "labels": {"weight": "7", "env": "x"}}]`, want: []string{"h:1 h:1 7", "h:2 h:2 7"}},
		"file_sd, job":     {content: `[{"targets": ["h:1"], "labels": {"job": "shelf"}}]`, want: []string{"h:1 h:1 1"}, inService: "shelf"},
		"none":             {content: `[]`},
		"one is wrong":     {content: `["h:1", {"addr": "h:0"}, 7, {"addr": "h:2"}]`, want: []string{"h:1 h:1 1", "h:2 h:2 1"}, skipped: []string{"book.json#2: invalid addr", "book.json#3: "}},
		"a list is wrong":  {content: `{"book": "h:1"}`, skipped: []string{`book.json: "book": `}},
		"a weight is text": {content: `[{"targets": ["h:1"], "labels": {"weight": "heavy"}}]`, skipped: []string{"invalid weight"}},
		"no JSON":          {content: `hello`, skipped: []string{"neither a JSON list"}},
		"cut off":          {content: `["h:1"`, skipped: []string{"not well-formed JSON"}},
		"empty":            {content: "\n", skipped: []string{"write [] for no instances"}},
		"terminal escapes": {content: "[{\"addr\": \"h:1\", \"zone\": \"\\u001b[31m\"}]", skipped: []string{"control character"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "book.json")
			write(t, path, test.content)
			service := "book"
			if test.inService != "" {
				service = test.inService
			}
			got, skipped := list(t, open(t, path, file.Options{}), service)
			if !slices.Equal(got, test.want) || len(skipped) != len(test.skipped) {
				t.Fatalf("got %q, skipped %q", got, skipped)
			}
			for i, part := range test.skipped {
				if !strings.Contains(skipped[i], part) || strings.Contains(skipped[i], "\x1b") {
					t.Errorf("skipped %q, want one that says %q", skipped[i], part)
				}
			}
		})
	}
}

func TestAFolderIsTheSumOfItsFiles(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "book.json"), `["h:1"]`)
	write(t, filepath.Join(folder, "more.yaml"), "book h:2")
	write(t, filepath.Join(folder, ".hidden.json"), `["h:3"]`)
	write(t, filepath.Join(folder, "README.md"), `["h:4"]`)
	if err := os.Mkdir(filepath.Join(folder, "folder.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	yaml := func(data []byte) ([]byte, error) {
		service, addr, _ := strings.Cut(string(data), " ")
		return fmt.Appendf(nil, `{%q: [%q]}`, service, addr), nil
	}
	registry := open(t, folder, file.Options{Convert: map[string]func([]byte) ([]byte, error){".yaml": yaml}})
	if got, _ := list(t, registry, "book"); !slices.Equal(got, []string{"h:1 h:1 1", "h:2 h:2 1"}) {
		t.Errorf("got %q", got)
	}
	dir := adsum.NewDirectory(registry, quiet)
	defer dir.Close()
	if names, err := dir.Services(t.Context()); err != nil || !slices.Equal(names, []string{"book"}) {
		t.Errorf("services %q, %v", names, err)
	}
}

// TestChangesAreSeenAndABadFileKeepsWhatItSaid runs on a real clock of the
// file system and a virtual one of the program, which start years apart: the
// times of files are in the future, so each look reads them.
func TestAFileThatCannotBeOpenedHidesNoOther(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "book.json"), `["10.0.0.1:80"]`)
	odd := filepath.Join(folder, "odd.json")
	write(t, odd, `{"book": ["10.0.0.2:80"]}`)
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(odd, past, past); err != nil {
		t.Fatal(err)
	}
	registry := open(t, folder, file.Options{})
	if got, _ := list(t, registry, "book"); len(got) != 2 {
		t.Fatalf("got %q", got)
	}
	aside := odd + ".aside"
	if err := errors.Join(os.Rename(odd, aside), os.Symlink(t.TempDir(), odd)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, skipped := list(t, registry, "book"); len(got) != 2 || len(skipped) != 1 {
			t.Errorf("got %q, skipped %q", got, skipped)
		}
	}
	if got, skipped := list(t, open(t, folder, file.Options{}), "book"); len(got) != 1 || len(skipped) != 1 {
		t.Errorf("who looks for the first time: got %q, skipped %q", got, skipped)
	}
	if err := errors.Join(os.Remove(odd), os.Rename(aside, odd)); err != nil {
		t.Fatal(err)
	}
	if got, skipped := list(t, registry, "book"); len(got) != 2 || len(skipped) != 0 {
		t.Errorf("once it can be opened: got %q, skipped %q", got, skipped)
	}
}

func TestChangesAreSeenAndABadFileKeepsWhatItSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "book.json")
		write(t, path, `["h:1"]`)
		registry := open(t, path, file.Options{})
		dir := adsum.NewDirectory(registry, quiet)
		defer dir.Close()
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		for _, step := range []struct {
			name  string
			do    func()
			want  string
			stale bool
			skips int
		}{
			{"at first", func() {}, "h:1", false, 0},
			{"same size, other content", func() { write(t, path, `["h:2"]`) }, "h:2", false, 0},
			{"broken", func() { write(t, path, `["h:3`) }, "h:2", false, 1},
			{"mended", func() { write(t, path, `["h:4"]`) }, "h:4", false, 0},
			{"gone", func() { os.Remove(path) }, "h:4", true, 0},
			{"back", func() { write(t, path, `["h:5"]`) }, "h:5", false, 0},
		} {
			step.do()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			s := view.Snapshot()
			if len(s.Instances) != 1 || s.Instances[0].Addr != step.want || s.Stale() != step.stale || len(s.Skipped) != step.skips {
				t.Errorf("%s: %v, stale %v, skipped %v, error %v", step.name, s.Instances, s.Stale(), s.Skipped, s.Err)
			}
		}
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := view.Snapshot(); !errors.Is(s.Err, adsum.ErrClosed) || len(s.Instances) != 1 {
			t.Errorf("closed: %+v", s)
		}
	})
}

func TestOpenRefusesWhatItCannotMean(t *testing.T) {
	for raw, says := range map[string]string{
		"file:":                 "empty",
		"file://host/x":         "no host",
		"file:/x?colour=red":    "colour",
		"file:/x?interval=soon": "no duration",
		"file:/x?interval=1ms":  "shorter",
		"file:/x?interval=-1s":  "no duration",
	} {
		if _, err := file.Open(raw); !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", raw, err)
		}
	}
	registry, err := file.Open("file:/etc/adsum/services?interval=500ms")
	if err != nil {
		t.Fatal(err)
	}
	if c := registry.Capabilities(); c.Registry != "file:/etc/adsum/services" || c.Register || c.Heartbeat < 500*time.Millisecond {
		t.Errorf("%+v", c)
	}
	if _, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: "h:1"}); !errors.Is(err, adsum.ErrUnsupported) {
		t.Errorf("register: %v", err)
	}
}

func FuzzAFileIsReadOrRefused(f *testing.F) {
	for _, s := range []string{`["h:1"]`, `{"book":[{"addr":"h:1"}]}`, `[{"targets":["h:1"],"labels":{"job":"book"}}]`, `{"addr":"h:1"}`, `[[[`, `{"a":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, in := range file.Decode("book.json", data) {
			if err := in.Validate(); err != nil {
				t.Errorf("let %+v through: %v", in, err)
			}
		}
	})
}

func ExampleOpen() {
	folder, err := os.MkdirTemp("", "services")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	content := `["10.0.0.5:50051", {"addr": "10.0.0.6:50051", "weight": 3}]`
	if err := os.WriteFile(filepath.Join(folder, "book.json"), []byte(content), 0o600); err != nil {
		panic(err)
	}

	registry, err := file.Open("file:" + filepath.ToSlash(folder))
	if err != nil {
		panic(err)
	}
	defer registry.Close()
	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	found, err := dir.Discover(context.Background(), "book", "", true)
	if err != nil {
		panic(err)
	}
	for _, in := range found {
		fmt.Println(in, "weight", in.Weight)
	}
	// Output:
	// book/10.0.0.5:50051 weight 1
	// book/10.0.0.6:50051 weight 3
}
