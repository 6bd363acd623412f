package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// writePolicy replaces the file as a program should.
func writePolicy(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestCallsGoByThePolicyFile(t *testing.T) {
	for name, text := range map[string]string{
		"policy.json": `{"policy": "round_robin", "retry": {"max": 1}}`,
		"policy.yaml": "policy: round_robin\nejection: {\"off\": true}\nretry: {max: 1}\n",
		"policy.yml":  "policy: round_robin # one after the other\nretry:\n  max: 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			var refused atomic.Int64
			b.serveWeb(func(http.ResponseWriter, *http.Request) {})
			b.serveWeb(func(w http.ResponseWriter, _ *http.Request) {
				refused.Add(1)
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			b.serveBooks(true)
			b.serveBooks(true)
			path := filepath.Join(t.TempDir(), name)
			writePolicy(t, path, text)
			// With another try no call would fail.
			r := b.run("call", "web", "/", "-n", "4", "--policy-file", path, "-o", "json")
			doc := r.callDocument(t)
			if r.code != 3 || refused.Load() != 2 || len(doc.Spread) != 2 || doc.Spread[0].Calls != 2 || doc.Spread[1].Calls != 2 {
				t.Errorf("HTTP: exit %d, %+v, stderr %q", r.code, doc.Spread, r.err)
			}
			r = b.run("call", "book", bookInfo, "-d", `{"book_id":1}`, "-n", "4", "--policy-file", path, "-o", "json")
			doc = r.callDocument(t)
			if r.code != 0 || len(doc.Spread) != 2 || doc.Spread[0].Calls != 2 || doc.Spread[1].Calls != 2 {
				t.Errorf("gRPC: exit %d, %+v, stderr %q", r.code, doc.Spread, r.err)
			}
		})
	}
}

func TestABadPolicyFileIsRefusedBeforeAnythingIsCalled(t *testing.T) {
	b := newBench(t)
	var called atomic.Int64
	b.serveWeb(func(http.ResponseWriter, *http.Request) { called.Add(1) })
	folder := t.TempDir()
	path := filepath.Join(folder, "policy.yaml")
	for _, test := range []struct {
		text, flags, want string
	}{
		{"slow_start: 30", "", `--policy-file: balancing config ` + path + `: bad balancing config: slow_start: "30" is no time; write one with its unit`},
		{"polcy: random", "", "polcy: there is no such field; there are policy, filter"},
		{"ejection: {off: true}", "", "ejection.false: there is no such field; there are off, "},
		{"policy: {", "", "it cannot be converted to JSON: yaml: line 1"},
		{"", "", `config: "null" is no object`},
		{"policy: random", "--policy random", `--policy-file and --policy: the file says that, as "policy"; leave out one`},
		{"policy: random", "--retries 2", `as "retry.max"`},
		{"policy: random", "--hedge 0.9", `as "hedge"`},
		{"policy: random", "--policy-file " + filepath.Join(folder, "none.yaml"), "none.yaml"},
	} {
		writePolicy(t, path, test.text)
		for _, command := range []string{"call", "bench"} {
			args := append([]string{command, "web", "/", "--policy-file", path}, strings.Fields(test.flags)...)
			if r := b.run(args...); r.code != 1 || r.out != "" || !strings.Contains(r.err, test.want) {
				t.Errorf("%s %q %s: exit %d, %q", command, test.text, test.flags, r.code, r.err)
			}
		}
	}
	if n := called.Load(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestBenchFollowsItsPolicyFile(t *testing.T) {
	b := newBench(t)
	b.serveBooks(true)
	path := filepath.Join(t.TempDir(), "policy.yaml")
	writePolicy(t, path, "policy: round_robin")
	p := b.start("bench", "book", bookInfo, "-d", `{"book_id":1}`, "--rate", "50", "--duration", "5m", "--policy-file", path, "-o", "jsonl")
	p.out.await(t, `"policy":"round_robin"`)
	writePolicy(t, path, "policy: best")
	p.err.await(t, "the last good balancing config is kept")
	writePolicy(t, path, "policy: random")
	p.out.await(t, `"policy":"random"`)
	p.stop()
	r := p.wait()
	docs := r.benchDocuments(t)
	if final := docs[len(docs)-1]; final.Calls == 0 || final.Failed != 0 || strings.Count(r.err, "is kept") != 1 || !strings.Contains(r.err, "no policy is called") {
		t.Errorf("exit %d, %+v, stderr %q", r.code, final, r.err)
	}
}
