package cli_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/cli"
)

func keys(t *testing.T, object json.RawMessage) []string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(object, &m); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	return slices.Sorted(maps.Keys(m))
}

// The keys are a contract: later changes only add.
var instanceKeys = []string{"addr", "endpoints", "id", "metadata", "reason", "service", "status", "tags", "version", "weight", "zone"}

func TestInstancesAsJSONIsOneArrayWithTheKeysOfTheContract(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:50051", Zone: "a", Metadata: map[string]string{"k": "v"}})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:50052"})
	r := b.run("instances", "book", "-o", "json")
	var array []json.RawMessage
	if err := json.Unmarshal([]byte(r.out), &array); err != nil || r.code != 0 {
		t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
	if len(array) != 2 {
		t.Fatalf("%d objects, want 2: %s", len(array), r.out)
	}
	for _, object := range array {
		if got := keys(t, object); !slices.Equal(got, instanceKeys) {
			t.Errorf("keys %q, want %q", got, instanceKeys)
		}
	}
}

func TestInstancesShowsOnlyCallableOnesUnlessAskedForAll(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:2", Status: adsum.Critical, Reason: "disk full", Tags: []string{"canary"}})
	if r := b.run("instances", "book", "-o", "name"); r.out != "127.0.0.1:1\n" || r.code != 0 {
		t.Errorf("exit %d: %q", r.code, r.out)
	}
	if r := b.run("instances", "book", "--all", "-o", "name"); r.out != "127.0.0.1:1\n127.0.0.1:2\n" {
		t.Errorf("--all: %q", r.out)
	}
	if r := b.run("instances", "book", "--all"); !strings.Contains(r.out, "critical") || !strings.Contains(r.out, "disk full") {
		t.Errorf("the status and its reason are not shown: %q", r.out)
	}
	if r := b.run("instances", "book", "--all", "--tag", "canary", "-o", "name"); r.out != "127.0.0.1:2\n" {
		t.Errorf("--tag: %q", r.out)
	}
}

func TestNothingToListExitsWith4AndSaysSoOnStandardError(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "sick", Addr: "127.0.0.1:2", Status: adsum.Critical})
	for _, args := range [][]string{
		{"instances", "none"}, {"instances", "sick"}, {"resolve", "none"}, {"resolve", "sick"},
	} {
		r := b.run(args...)
		if r.code != 4 || r.out != "" || r.err == "" {
			t.Errorf("%q: exit %d, stdout %q, stderr %q", args, r.code, r.out, r.err)
		}
	}
	if r := b.run("instances", "none", "-o", "json"); r.code != 4 || r.out != "[]\n" {
		t.Errorf("as JSON: exit %d, %q", r.code, r.out)
	}
}

func TestResolvePrintsAddressesOfTheProtocolAskedFor(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1", Endpoints: map[string]string{"http": "127.0.0.1:81"}})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:2"})
	if r := b.run("resolve", "book"); r.out != "127.0.0.1:1\n127.0.0.1:2\n" || r.code != 0 {
		t.Errorf("exit %d: %q", r.code, r.out)
	}
	if r := b.run("resolve", "book", "--protocol", "http"); r.out != "127.0.0.1:81\n127.0.0.1:2\n" {
		t.Errorf("--protocol http: %q", r.out)
	}
}

func TestServicesCountsCopies(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:2", Status: adsum.Draining})
	b.register(adsum.Instance{Service: "author", Addr: "127.0.0.1:3"})
	if r := b.run("services", "-o", "name"); r.out != "author\nbook\n" || r.code != 0 {
		t.Errorf("exit %d: %q", r.code, r.out)
	}
	want := `{"service":"author","instances":1,"callable":1}
{"service":"book","instances":2,"callable":1}
`
	if r := b.run("services", "-o", "jsonl"); r.out != want {
		t.Errorf("got %s", r.out)
	}
	want = "SERVICE  INSTANCES  CALLABLE\nauthor   1          1\nbook     2          1\n"
	if r := b.run("services"); r.out != want {
		t.Errorf("got %s", r.out)
	}
}

func TestYAMLHoldsTheSameInTheSameOrder(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1", Tags: []string{"x"}, Metadata: map[string]string{"on": "yes: no"}})
	want := `-
  id: "127.0.0.1:1"
  service: "book"
  addr: "127.0.0.1:1"
  endpoints: {}
  weight: 1
  zone: ""
  version: ""
  tags:
    - "x"
  metadata:
    "on": "yes: no"
  status: "passing"
  reason: ""
`
	if r := b.run("instances", "book", "-o", "yaml"); r.out != want {
		t.Errorf("got\n%s", r.out)
	}
}

func TestBrokenRecordsAreNamedAndHideNothing(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	b.server.PutBroken("book", "junk\x1b[2J")
	r := b.run("instances", "book", "-o", "name")
	if r.out != "127.0.0.1:1\n" || !strings.Contains(r.err, "junk") {
		t.Errorf("stdout %q, stderr %q", r.out, r.err)
	}
	if strings.Contains(r.err, "\x1b") {
		t.Errorf("an escape sequence reached the terminal: %q", r.err)
	}
}

func TestExitCodesTellWhatWentWrong(t *testing.T) {
	b := newBench(t)
	down := newBench(t)
	down.server.Down()
	silent := newBench(t)
	silent.server.Freeze()
	denied := newBench(t)
	denied.server.Deny()
	for _, c := range []struct {
		name string
		b    *bench
		args []string
		code int
	}{
		{"no such command", b, []string{"instanced"}, 1},
		{"no such flag", b, []string{"services", "--nope"}, 1},
		{"a missing argument", b, []string{"instances"}, 1},
		{"an unknown format", b, []string{"services", "-o", "xml"}, 1},
		{"an ill-formed name", b, []string{"instances", "a/b"}, 1},
		{"an unknown registry", b, []string{"services", "--registry", "carrier-pigeon:"}, 1},
		{"an unknown check", b, []string{"register", "--name", "a", "--addr", "127.0.0.1:1", "--check", "gopher://x"}, 1},
		{"no address to advertise", b, []string{"register", "--name", "a"}, 1},
		{"a registry that is down", down, []string{"services"}, 2},
		{"a registry that is down", down, []string{"instances", "book"}, 2},
		{"a registry that is down", down, []string{"deregister", "book", "x"}, 2},
		{"a registry that is down", down, []string{"watch", "book", "--timeout", "1s"}, 2},
		{"a registry that refuses", denied, []string{"instances", "book"}, 3},
		{"a registry that cannot list", b, []string{"services", "--registry", "plain:"}, 3},
		{"a record that is not there", b, []string{"deregister", "book", "x"}, 4},
		{"a silent registry", silent, []string{"instances", "book", "--timeout", "50ms"}, 5},
		{"a silent registry", silent, []string{"services", "--timeout", "50ms"}, 5},
		{"a silent registry", silent, []string{"watch", "book", "--timeout", "50ms"}, 5},
	} {
		r := c.b.run(c.args...)
		if r.code != c.code {
			t.Errorf("%s: adsum %s: exit %d, want %d; stderr %q", c.name, strings.Join(c.args, " "), r.code, c.code, r.err)
		}
		if r.out != "" || r.err == "" {
			t.Errorf("%s: stdout %q, stderr %q", c.name, r.out, r.err)
		}
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	b := newBench(t)
	r := b.run("--help")
	for line := range strings.Lines(r.out[strings.Index(r.out, "Available Commands:"):]) {
		name := strings.Fields(line + " x")[0]
		if !strings.HasPrefix(line, "  ") || name == "help" || strings.HasPrefix(name, "-") {
			continue
		}
		help := b.run(name, "--help")
		if help.code != 0 || !strings.Contains(help.out, "Examples:\n  ") {
			t.Errorf("adsum %s --help: exit %d\n%s", name, help.code, help.out)
		}
	}
}

func TestHelpDoesNotPrintThePasswordOfTheEnvironment(t *testing.T) {
	t.Setenv("ADSUM_REGISTRY", "etcd://me:hunter2@10.0.0.1:2379/services")
	if r := newBench(t).run("services", "--help"); strings.Contains(r.out, "hunter2") {
		t.Error(r.out)
	}
}

func TestShellsCompleteServicesAndInstances(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"instances", ""}, "book\n:4\n"},
		{[]string{"watch", "book", ""}, ":4\n"},
		{[]string{"deregister", "book", ""}, "127.0.0.1:1\n:4\n"},
		{[]string{"services", "-o", "j"}, "table\nwide\njson\njsonl\nyaml\nname\n:4\n"},
	} {
		if r := b.run(append([]string{"__complete"}, c.args...)...); r.code != 0 || r.out != c.want {
			t.Errorf("%q: exit %d, %q", c.args, r.code, r.out)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := b.run("completion", shell); r.code != 0 || !strings.Contains(r.out, "adsum") {
			t.Errorf("%s: exit %d, %s", shell, r.code, r.err)
		}
	}
	if r := b.run("completion", "csh"); r.code != 1 {
		t.Errorf("csh: exit %d, want 1", r.code)
	}
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	coloured := func(args ...string) bool {
		t.Helper()
		r := b.run(append([]string{"instances", "book"}, args...)...)
		if !strings.Contains(r.out, "passing") {
			t.Fatalf("exit %d, %q, %s", r.code, r.out, r.err)
		}
		return strings.Contains(r.out, "\x1b")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if coloured() {
		t.Error("colours in a pipe")
	}
	b.terminal = true
	if !coloured() {
		t.Error("no colours on a terminal")
	}
	if coloured("-o", "json") || coloured("--no-color") {
		t.Error("colours in JSON, or with --no-color")
	}
	t.Setenv("NO_COLOR", "1")
	if coloured() {
		t.Error("colours with NO_COLOR")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if coloured() {
		t.Error("colours on a dumb terminal")
	}
}

func TestANegativeTimeoutIsRefused(t *testing.T) {
	r := newBench(t).run("instances", "book", "--timeout", "-1s")
	if r.code != 1 || !strings.Contains(r.err, "--timeout -1s is negative") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestWhatCannotBeWrittenIsAFailure(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", ID: "1", Addr: "127.0.0.1:1"})
	if r := b.run("weight", "book", "1", "3"); r.code != 0 {
		t.Fatal(r.err)
	}
	for _, command := range []string{"services", "instances book", "resolve book", "overrides book", "explain book", "version"} {
		for _, format := range []string{"table", "json", "jsonl", "yaml", "name"} {
			var notes buffer
			args := append([]string{"--registry", "memory:", "-o", format}, strings.Fields(command)...)
			streams := cli.Streams{In: strings.NewReader(""), Out: fullDisk{}, Err: &notes}
			if code := cli.Run(t.Context(), args, streams, b.openers()); code != 3 || !strings.Contains(notes.String(), "no space left") {
				t.Errorf("%s -o %s: exit %d, %q", command, format, code, notes.String())
			}
		}
	}
}
