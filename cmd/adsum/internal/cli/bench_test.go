package cli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// benchDocument is what bench -o json and jsonl print.
type benchDocument struct {
	Final  bool
	Rate   float64
	Calls  int
	Failed int
	Unsent int
	Copies []struct {
		ID     string
		Calls  int
		Failed int
	}
	Latency map[string]float64
	Errors  map[string]int
}

// benchDocuments are those of -o jsonl, or the one of -o json.
func (r result) benchDocuments(t *testing.T) []benchDocument {
	t.Helper()
	var all []benchDocument
	for d := json.NewDecoder(strings.NewReader(r.out)); d.More(); {
		var doc benchDocument
		if err := d.Decode(&doc); err != nil {
			t.Fatalf("%v: exit %d, stdout %q, stderr %q", err, r.code, r.out, r.err)
		}
		all = append(all, doc)
	}
	if len(all) == 0 || !all[len(all)-1].Final {
		t.Fatalf("no final report: exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	return all
}

func TestBenchKeepsItsRateAndTellsCopiesApart(t *testing.T) {
	b := newBench(t)
	b.serveBooks(true)
	b.serveBooks(true)
	r := b.run("bench", "book", bookInfo, "-d", `{"book_id":1}`, "--rate", "200", "--duration", "500ms", "--policy", "round_robin", "-o", "json")
	doc := r.benchDocuments(t)[0]
	if r.code != 0 || doc.Rate != 200 || doc.Calls != 100 || doc.Failed != 0 || doc.Unsent != 0 || len(doc.Errors) != 0 {
		t.Errorf("exit %d: %+v", r.code, doc)
	}
	for _, c := range doc.Copies {
		if c.Calls != 50 {
			t.Errorf("copy %+v", c)
		}
	}
	for _, key := range []string{"mean", "p50", "p90", "p99", "p99_9", "max"} {
		if v := doc.Latency[key]; v <= 0 || v > 10 {
			t.Errorf("%s is %v seconds", key, v)
		}
	}
	r = b.run("bench", "book", bookInfo, "-d", `{"book_id":1}`, "--rate", "100", "--duration", "100ms", "--policy", "round_robin")
	if r.code != 0 || r.err != "" || !strings.Contains(r.out, "P99.9") || !strings.Contains(r.out, "5      50%") {
		t.Errorf("table: exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
}

func TestBenchSeesADrainWhileItRuns(t *testing.T) {
	b := newBench(t)
	b.terminal = true
	drained, left := b.serveBooks(true), b.serveBooks(true)
	p := b.start("bench", "book", bookInfo, "-d", `{"book_id":1}`, "--rate", "100", "--duration", "3500ms", "--policy", "round_robin", "-o", "jsonl")
	p.out.await(t, `"final":false`)
	if r := b.run("drain", "book", drained); r.code != 0 {
		t.Fatalf("drain: exit %d, %q", r.code, r.err)
	}
	r := p.wait()
	docs := r.benchDocuments(t)
	// One a second and the last; a slow machine may take a second more.
	if r.code != 0 || len(docs) < 4 || len(docs[0].Copies) != 2 {
		t.Fatalf("exit %d, %+v", r.code, docs)
	}
	seconds, final := docs[:len(docs)-1], docs[len(docs)-1]
	for _, second := range seconds[2:] {
		for _, c := range second.Copies {
			if c.ID != left {
				t.Errorf("after the drain: %+v", second)
			}
		}
	}
	if final.Calls != 350 || final.Failed != 0 {
		t.Errorf("final: %+v", final)
	}
	if !strings.Contains(r.err, "\r\x1b[K  1s  ") || !strings.HasSuffix(r.err, "\r\x1b[K") {
		t.Errorf("progress %q", r.err)
	}
}

func TestBenchCountsFailuresByTheirKind(t *testing.T) {
	b := newBench(t)
	b.serveBooks(true)
	r := b.run("bench", "book", bookInfo, "-d", `{"book_id":99}`, "--rate", "50", "--duration", "100ms")
	if r.code != 3 || !strings.Contains(r.out, "failed: NotFound 5\n") || !strings.Contains(r.err, "5 of 5 calls failed; the first: NotFound") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
}

func TestBenchTellsWhatItCouldNotSend(t *testing.T) {
	b := newBench(t)
	b.serveWeb(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r := b.run("bench", "web", "/", "--rate", "100", "--duration", "300ms", "--in-flight", "2", "--retries", "0", "--timeout", "1s", "-o", "json")
	doc := r.benchDocuments(t)[0]
	if r.code != 5 || doc.Calls != 2 || doc.Failed != 2 || doc.Unsent != 28 || doc.Errors["timed out"] != 2 {
		t.Errorf("exit %d: %+v", r.code, doc)
	}
	if !strings.Contains(r.err, "28 calls were due and not sent") {
		t.Errorf("stderr %q", r.err)
	}
}

func TestBenchRefusesALoadOfNothing(t *testing.T) {
	b := newBench(t)
	for _, args := range []string{"--rate 0", "--rate -1", "--rate inf", "--rate nan", "--duration 1ms", "--duration -1s", "--in-flight 0"} {
		flag, _, _ := strings.Cut(args, " ")
		if r := b.run(append([]string{"bench", "web", "/"}, strings.Fields(args)...)...); r.code != 1 || !strings.Contains(r.err, flag) {
			t.Errorf("%s: exit %d, %q", args, r.code, r.err)
		}
	}
}
