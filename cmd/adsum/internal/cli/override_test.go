package cli_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
)

func TestDrainAndWeightStayUntilUndoneAndAreListed(t *testing.T) {
	b := newBench(t)
	reg := b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:2"})
	for _, step := range []struct {
		args string
		code int
		says string // on standard error
		left string // callable copies and their weights afterwards
	}{
		{"drain book 127.0.0.1:1 --reason disk", 0, "draining (disk)", "127.0.0.1:2"},
		{"weight book 127.0.0.1:1 7", 0, "draining, weight 7 (disk)", "127.0.0.1:2"},
		{"drain book 127.0.0.1:1 --undo", 0, "weight 7", "127.0.0.1:1*7 127.0.0.1:2"},
		{"weight book 127.0.0.1:1 --undo", 0, "no override", "127.0.0.1:1 127.0.0.1:2"},
		{"weight book 127.0.0.1:1 --undo", 4, "there is no override", "127.0.0.1:1 127.0.0.1:2"},
		{"drain book nobody", 0, "no such instance now", "127.0.0.1:1 127.0.0.1:2"},
		{"weight book 127.0.0.1:1 0", 1, "adsum drain", "127.0.0.1:1 127.0.0.1:2"},
		{"weight book 127.0.0.1:1 -3", 1, `weight "-3": give a number from 1 to 65535`, "127.0.0.1:1 127.0.0.1:2"},
		{"weight -30 book 127.0.0.1:1", 1, `weight "-30": give a number`, "127.0.0.1:1 127.0.0.1:2"},
		{"weight book 127.0.0.1:1 -x", 1, "unknown shorthand flag: 'x' in -x\n       See 'adsum weight --help'.", "127.0.0.1:1 127.0.0.1:2"},
		{"weight book 127.0.0.1:1 70000", 1, "65535", "127.0.0.1:1 127.0.0.1:2"},
		{"weight book 127.0.0.1:1", 1, "missing", "127.0.0.1:1 127.0.0.1:2"},
		{"weight book 127.0.0.1:1 5 --undo", 1, "takes no weight", "127.0.0.1:1 127.0.0.1:2"},
		{"drain a/b 127.0.0.1:1", 1, "'/'", "127.0.0.1:1 127.0.0.1:2"},
	} {
		r := b.run(strings.Fields(step.args)...)
		if r.code != step.code || !strings.Contains(r.err, step.says) || r.out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", step.args, r.code, r.out, r.err)
		}
		var callable []string
		for _, in := range b.instances("book") {
			if in.Weight != 1 {
				in.ID += "*" + string(rune('0'+in.Weight))
			}
			callable = append(callable, in.ID)
		}
		if got := strings.Join(callable, " "); got != step.left {
			t.Errorf("after %s callable are %s, want %s", step.args, got, step.left)
		}
	}
	if state := reg.State(); !state.Registered || state.Lost != 0 {
		t.Errorf("the copy itself was disturbed: %+v", state)
	}
}

// instances are the callable ones, as the command prints them.
func (b *bench) instances(service string) []adsum.Instance {
	b.t.Helper()
	var found []adsum.Instance
	if err := json.Unmarshal([]byte(b.run("instances", service, "-o", "json").out), &found); err != nil {
		b.t.Fatal(err)
	}
	return found
}

func TestOverridesListsThoseOfAbsentCopiesToo(t *testing.T) {
	b := newBench(t)
	if r := b.run("overrides", "book"); r.code != 0 || !strings.Contains(r.err, "no overrides") {
		t.Errorf("none: exit %d, %q", r.code, r.err)
	}
	b.run("drain", "book", "gone", "--reason", "why")
	b.run("weight", "book", "heavy", "9")
	if r := b.run("overrides", "book", "-o", "name"); r.out != "gone\nheavy\n" {
		t.Errorf("names: %q", r.out)
	}
	r := b.run("overrides", "book", "-o", "json")
	var rows []json.RawMessage
	if err := json.Unmarshal([]byte(r.out), &rows); err != nil || len(rows) != 2 {
		t.Fatalf("%v: %q", err, r.out)
	}
	if got := keys(t, rows[0]); !slices.Equal(got, []string{"id", "reason", "status", "weight"}) {
		t.Errorf("keys %q", got)
	}
	if r := b.run("overrides", "book"); !strings.Contains(r.out, "draining") || !strings.Contains(r.out, "why") || !strings.Contains(r.out, "9") {
		t.Errorf("table %q", r.out)
	}
	if r := b.run("--registry", "plain:", "drain", "book", "gone"); r.code != 3 || !strings.Contains(r.err, "unsupported") {
		t.Errorf("a registry that cannot: exit %d, %q", r.code, r.err)
	}
}
