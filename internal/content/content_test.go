package content_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/internal/content"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

const limit = 1 << 20

// old is a time that raises no doubt.
var old = time.Now().Add(-time.Hour).Truncate(time.Second)

func write(t *testing.T, path, text string, modified time.Time) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, modified, modified)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatChangedIsReadAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	path, other := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	var stamp content.Stamp
	for _, step := range []struct {
		name string
		do   func()
		want string // "" for unchanged
		fail error
	}{
		{"missing", func() {}, "", fs.ErrNotExist},
		{"at first", func() { write(t, path, "one", old) }, "one", nil},
		{"untouched", func() {}, "", nil},
		{"touched", func() { write(t, path, "one", old.Add(time.Second)) }, "", nil},
		{"written", func() { write(t, path, "two", old.Add(2*time.Second)) }, "two", nil},
		{"replaced by one of the same size and time", func() {
			write(t, other, "six", old.Add(2*time.Second))
			if err := os.Rename(other, path); err != nil {
				t.Fatal(err)
			}
		}, "six", nil},
		{"written", func() { write(t, path, "one", time.Now()) }, "one", nil},
		{"written within the same tick", func() { write(t, path, "two", time.Now()) }, "two", nil},
		{"gone", func() { os.Remove(path) }, "", fs.ErrNotExist},
		{"back", func() { write(t, path, "two", old) }, "", nil},
		{"too large", func() { write(t, path, string(make([]byte, limit+1)), old) }, "", content.ErrTooLarge},
		{"still so", func() {}, "", nil},
		{"back", func() { write(t, path, "two", old) }, "two", nil},
	} {
		step.do()
		data, now, changed, err := content.Read(path, stamp, limit)
		wantChanged := step.want != "" || errors.Is(step.fail, content.ErrTooLarge)
		if string(data) != step.want || changed != wantChanged || !errors.Is(err, step.fail) {
			t.Errorf("%s: %q, changed %v, %v", step.name, data, changed, err)
		}
		stamp = now
	}
}

func TestAFileIsLookedAtNowAndThen(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: content.DefaultInterval, time.Minute: time.Minute, time.Millisecond: 0, -time.Second: 0} {
		got, err := content.Interval(given)
		if got != want || (want == 0) != errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("%s: %s, %v", given, got, err)
		}
	}
}
