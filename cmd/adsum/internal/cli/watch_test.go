package cli_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

type changeEvent struct {
	Time       time.Time
	Service    string
	Generation uint64
	Stale      bool
	Added      []adsum.Instance
	Removed    []adsum.Instance
	Changed    []struct {
		adsum.Instance
		Was adsum.Instance
	}
	Total int
}

func TestWatchAsJSONLPrintsOneObjectAChangeWithTheKeysOfTheContract(t *testing.T) {
	b := newBench(t)
	first := b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	w := b.start("watch", "book", "-o", "jsonl")
	w.out.await(t, "\n")
	second := b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:2"})
	w.out.await(t, `"total":2`)
	second.Update(func(in *adsum.Instance) { in.Weight = 7 })
	w.out.await(t, `"weight":7`)
	first.Close(t.Context())
	w.out.await(t, `"total":1}`+"\n"+`{"time`)
	w.out.await(t, `"removed":[{`)
	w.stop()
	r := w.wait()
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4:\n%s", len(lines), r.out)
	}
	want := []string{"added", "changed", "generation", "removed", "service", "stale", "time", "total"}
	var events []changeEvent
	for _, line := range lines {
		if got := keys(t, json.RawMessage(line)); !slices.Equal(got, want) {
			t.Errorf("keys %q, want %q", got, want)
		}
		var e changeEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if len(events) > 0 && e.Generation <= events[len(events)-1].Generation {
			t.Errorf("generation did not rise: %s", line)
		}
		events = append(events, e)
	}
	if e := events[0]; len(e.Added) != 1 || e.Added[0].Addr != "127.0.0.1:1" || e.Total != 1 || e.Service != "book" {
		t.Errorf("at first everything is added: %+v", e)
	}
	if e := events[1]; len(e.Added) != 1 || e.Added[0].Addr != "127.0.0.1:2" || e.Total != 2 {
		t.Errorf("a new copy is added: %+v", e)
	}
	if !strings.Contains(lines[2], `"changed":[{"id":"127.0.0.1:2"`) || !strings.Contains(lines[2], `"was":{"id":"127.0.0.1:2"`) {
		t.Errorf("a change shows what is and what was: %s", lines[2])
	}
	if e := events[3]; len(e.Removed) != 1 || e.Removed[0].Addr != "127.0.0.1:1" || e.Total != 1 {
		t.Errorf("a closed copy is removed: %+v", e)
	}
}

func TestWatchShowsStalenessAsAChangeAndKeepsTheInstances(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	w := b.start("watch", "book", "-o", "jsonl")
	w.out.await(t, "\n")
	b.server.Down()
	w.out.await(t, `"stale":true,"added":[],"removed":[],"changed":[],"total":1`)
	b.server.Up()
	w.out.await(t, `"stale":false,"added":[],"removed":[],"changed":[],"total":1`)
	w.stop()
	if r := w.wait(); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestWatchForPeopleSaysWhatChangedInWords(t *testing.T) {
	b := newBench(t)
	reg := b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1", Metadata: map[string]string{"k": "a"}})
	w := b.start("watch", "book")
	w.out.await(t, "+ 127.0.0.1:1  passing  metadata=k=a\n")
	reg.SetStatus(adsum.Draining, "making room")
	w.out.await(t, "~ 127.0.0.1:1  status passing → draining, reason none → making room\n")
	b.server.Down()
	w.out.await(t, "! stale, instances kept: 1")
	b.server.Up()
	w.out.await(t, "= confirmed again, instances: 1\n")
	reg.Close(t.Context())
	w.out.await(t, "- 127.0.0.1:1\n")
	w.stop()
	if r := w.wait(); r.code != 0 || !strings.Contains(r.err, "watching \"book\" in memory:") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
