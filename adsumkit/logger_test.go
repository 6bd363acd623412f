package adsumkit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"github.com/adsum-go/adsum/adsumkit"
)

func ExampleNewLogger() {
	gokit := level.NewFilter(log.NewLogfmtLogger(os.Stdout), level.AllowInfo())
	logger := adsumkit.NewLogger(gokit)
	logger.Warn("registration lost, registering again", "service", "book", "error", errors.New("lease lost"))
	logger.Debug("not shown")
	// Output:
	// level=warn msg="registration lost, registering again" service=book error="lease lost"
}

func TestTheLoggerIsASlogHandler(t *testing.T) {
	var out bytes.Buffer
	handler := adsumkit.NewLogger(log.NewJSONLogger(&out)).Handler()
	results := func() []map[string]any {
		var all []map[string]any
		for line := range strings.Lines(out.String()) {
			var flat map[string]any
			if err := json.Unmarshal([]byte(line), &flat); err != nil {
				t.Fatal(err)
			}
			all = append(all, nested(flat))
		}
		return all
	}
	if err := slogtest.TestHandler(handler, results); err != nil {
		// go-kit's loggers add the time themselves.
		for problem := range strings.Lines(err.Error()) {
			if !strings.Contains(problem, `missing key "time"`) {
				t.Error(problem)
			}
		}
	}
}

// nested turns the keys a.b into a map b within a map a.
func nested(flat map[string]any) map[string]any {
	top := map[string]any{}
	for key, value := range flat {
		at := top
		path := strings.Split(key, ".")
		for _, name := range path[:len(path)-1] {
			inner, ok := at[name].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[name] = inner
			}
			at = inner
		}
		at[path[len(path)-1]] = value
	}
	return top
}

func TestLevelsBecomeGoKits(t *testing.T) {
	for of, want := range map[slog.Level]string{
		slog.LevelDebug: "debug", slog.LevelInfo: "info", slog.LevelWarn: "warn", slog.LevelError: "error", slog.LevelError + 4: "error",
	} {
		var out bytes.Buffer
		adsumkit.NewLogger(log.NewLogfmtLogger(&out)).Log(t.Context(), of, "hello")
		if got := out.String(); got != "level="+want+" msg=hello\n" {
			t.Errorf("%v: %s", of, got)
		}
	}
}
