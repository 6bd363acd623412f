package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// parse runs a command on arguments; the command hands out its options
// instead of doing anything.
func parse(t *testing.T, cmd *cobra.Command, args ...string) error {
	t.Helper()
	cmd.SetArgs(args)
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	return cmd.Execute()
}

func TestRunTakesFlagsForItselfAndLeavesThoseOfTheProgram(t *testing.T) {
	var got *runOptions
	cmd := newCmdRun(&Factory{}, func(_ context.Context, o *runOptions) error { got = o; return nil })
	err := parse(t, cmd, "--name", "web", "--port", "8080", "--tag", "a,b", "--tag", "c", "--meta", "k=v", "--check", "exec:a, b",
		"--check", "tcp://127.0.0.1:1", "--check-interval", "1s", "--drain", "3s", "--", "python3", "-m", "http.server", "--name", "x")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Command, []string{"python3", "-m", "http.server", "--name", "x"}) {
		t.Errorf("command %q", got.Command)
	}
	if got.Name != "web" || got.Port != 8080 || !slices.Equal(got.Tags, []string{"a", "b", "c"}) || got.Meta["k"] != "v" {
		t.Errorf("instance %+v", got.instanceFlags)
	}
	if !slices.Equal(got.Checks, []string{"exec:a, b", "tcp://127.0.0.1:1"}) || got.Interval != time.Second || got.Drain != 3*time.Second {
		t.Errorf("checks %+v, drain %s", got.checkFlags, got.Drain)
	}
}

func TestAdvertisedAddressesSayWhereTheyAreFrom(t *testing.T) {
	for _, c := range []struct {
		flags     instanceFlags
		addr, why string // "" is not compared
	}{
		{instanceFlags{Name: "web", Addr: "10.0.0.5:80"}, "10.0.0.5:80", "given by --addr"},
		{instanceFlags{Name: "web", Addr: "10.0.0.5", Port: 80}, "10.0.0.5:80", ""},
		{instanceFlags{Name: "web", Addr: "[2001:db8::1]:80"}, "[2001:db8::1]:80", "given by --addr"},
		{instanceFlags{Name: "web", Port: 80}, "", ""},
		{instanceFlags{Name: "web", Addr: ":80"}, "", ""},
	} {
		in, why, err := c.flags.instance()
		if err != nil || why == "" || c.addr != "" && in.Addr != c.addr || c.why != "" && why != c.why {
			t.Errorf("%+v: %s, %q, %v", c.flags, in.Addr, why, err)
		}
	}
	for _, bad := range []instanceFlags{{Addr: "10.0.0.5:80"}, {Name: "web"}, {Name: "web", Addr: "10.0.0.5"}, {Name: "a/b", Port: 80}, {Name: "web", Port: 80, Weight: -1}} {
		if _, _, err := bad.instance(); codeOf(err) != exitUsage {
			t.Errorf("%+v: %v, exit code %d, want %d", bad, err, codeOf(err), exitUsage)
		}
	}
	if _, _, err := (&instanceFlags{Name: "web", Port: 99999}).instance(); err == nil || !strings.Contains(err.Error(), "--port") {
		t.Errorf("a port that cannot be: %v, want one that names the flag", err)
	}
}
