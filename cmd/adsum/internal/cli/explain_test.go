package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/debug"
	"github.com/adsum-go/adsum/lb"
)

// explained is what the command prints.
type explained struct {
	Source string `json:"source"`
	debug.Service
}

func explainedOf(t *testing.T, r result) (clients []explained) {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit %d, stderr %q", r.code, r.err)
	}
	if err := json.Unmarshal([]byte(r.out), &clients); err != nil {
		t.Fatalf("%v in %s", err, r.out)
	}
	return clients
}

func TestExplainPicksInItsOwnProcessAndSaysSo(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1", Zone: "a"})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:2", Zone: "b"})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:3", Zone: "a", Status: adsum.Draining})
	r := b.run("explain", "book", "--policy", "round_robin", "--zone", "a", "-n", "4", "-o", "json")
	if !strings.Contains(r.err, "picked in this process") {
		t.Errorf("stderr %q", r.err)
	}
	clients := explainedOf(t, r)
	if len(clients) != 1 || clients[0].Source != "" || len(clients[0].Explanations) != 4 {
		t.Fatalf("%+v", clients)
	}
	x := clients[0].Explanations[0]
	if x.Chosen != "127.0.0.1:1" || x.LeftOut[lb.ReasonZone] != 1 || x.LeftOut[lb.ReasonStatus] != 1 {
		t.Errorf("%+v", x)
	}

	r = b.run("explain", "book", "--policy", "round_robin", "-n", "4")
	for _, want := range []string{"book in this process, by round_robin; generation", "LEFT OUT", "draining", "rule: the next in turn"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	r = b.run("explain", "book", "--policy", "round_robin", "-n", "4", "-o", "name")
	if counts := strings.Count(r.out, "127.0.0.1:1\n"); counts != 2 || strings.Count(r.out, "\n") != 4 {
		t.Errorf("four turns of two copies: %q", r.out)
	}
	if r = b.run("explain", "book", "--policy", "ring_hash", "--key", "k", "-o", "yaml"); !strings.Contains(r.out, "policy: \"ring_hash\"") {
		t.Errorf("stdout %q", r.out)
	}
}

func TestExplainOfNobodyIsNotFound(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1", Status: adsum.Critical, Reason: "disk full"})
	if r := b.run("explain", "book"); r.code != 4 || !strings.Contains(r.out, "critical: disk full") || !strings.Contains(r.err, "none of them passing") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	if r := b.run("explain", "web"); r.code != 4 {
		t.Errorf("exit %d, stderr %q", r.code, r.err)
	}
}

// client serves what a running client of "book" with two copies knows.
func client(t *testing.T) (url string, balancer *lb.Balancer) {
	t.Helper()
	inspector := &lb.Inspector{}
	b := lb.New(lb.Routing{Policy: lb.LeastRequest}, lb.Options{Window: -1, Inspector: inspector, Transport: "grpc"})
	t.Cleanup(b.Close)
	b.Update(&adsum.Snapshot{Service: "book", Generation: 7, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80", Weight: 1, Status: adsum.Passing},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80", Weight: 1, Status: adsum.Passing},
	}})
	mux := http.NewServeMux()
	mux.Handle(debug.Path, debug.Handler(inspector))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, b
}

func TestExplainReadsARunningClient(t *testing.T) {
	url, balancer := client(t)
	picked, err := balancer.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer picked.Done(lb.Outcome{})
	busy := picked.Endpoint.ID()
	b := newBench(t)
	for _, from := range []string{url, url + debug.Path, strings.TrimPrefix(url, "http://")} {
		clients := explainedOf(t, b.run("explain", "book", "--from", from, "-n", "3", "-o", "json"))
		if len(clients) != 1 || clients[0].Source != url+debug.Path || clients[0].Generation != 7 || len(clients[0].Explanations) != 3 {
			t.Fatalf("%+v", clients)
		}
		for _, x := range clients[0].Explanations {
			if x.Chosen == busy || x.Policy != "least_request" {
				t.Errorf("chose %s by %s, and %s is busy", x.Chosen, x.Policy, busy)
			}
		}
		if recent := clients[0].Recent; len(recent) != 1 || recent[0].Chosen != busy {
			t.Errorf("%+v", recent)
		}
	}
	r := b.run("explain", "book", "--from", url)
	for _, want := range []string{"book over grpc, by least_request; generation 7", "IN FLIGHT", "SCORE", "last picks:", "rule: of two drawn"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	if r.err != "" || r.code != 0 {
		t.Errorf("exit %d, stderr %q", r.code, r.err)
	}
}

func TestExplainFailsAsOtherCommandsDo(t *testing.T) {
	url, _ := client(t)
	strange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			fmt.Fprint(w, "<html>\x1b[2J")
		case "/json":
			fmt.Fprint(w, "{}")
		case "/slow":
			<-r.Context().Done()
		default:
			http.Error(w, "go away\x1b[2J\nand more", http.StatusForbidden)
		}
	}))
	defer strange.Close()
	b := newBench(t)
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"explain", 1, "usage"},
		{"explain a/b", 1, "'/'"},
		{"explain book -n 0", 1, "--picks 0"},
		{"explain book --policy best", 1, "round_robin"},
		{"explain book --from " + url + " --policy random", 1, "--policy does not go with --from"},
		{"explain book --from " + url + " --zone a", 1, "--zone does not go with --from"},
		{"explain book --from ftp://x/", 1, "use http://"},
		{"explain book --from http://u:p@127.0.0.1/", 1, "use http://"},
		{"explain web --from " + url, 4, "it calls book"},
		{"explain book --from " + url + "/elsewhere", 4, "nothing at /elsewhere about book"},
		{"explain book --from 127.0.0.1:1", 2, "could not connect"},
		{"explain book --from " + strange.URL, 3, `go away\x1b[2J`},
		{"explain book --from " + strange.URL + "/page", 3, "right path"},
		{"explain book --from " + strange.URL + "/json", 3, "right path"},
		{"explain book --timeout 50ms --from " + strange.URL + "/slow", 5, "--timeout"},
	} {
		r := b.run(strings.Fields(test.args)...)
		if r.code != test.code || !strings.Contains(r.err, test.says) || r.out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", test.args, r.code, r.out, r.err)
		}
	}
}

func TestNothingOfAHostileClientGetsThrough(t *testing.T) {
	hostile := lb.Candidate{ID: attack, Addr: attack, Zone: attack, Status: adsum.Status(attack), Reason: lb.Reason(attack), Detail: attack}
	score := 1.0
	hostile.Score = &score
	x := lb.Explanation{Chosen: attack, Rule: attack, Zone: attack, Tried: []string{attack}, Error: attack,
		LeftOut: map[lb.Reason]int{lb.Reason(attack): 1}, Candidates: []lb.Candidate{hostile}}
	report := debug.Report{Services: []debug.Service{{
		Inspection:   lb.Inspection{Service: attack, Transport: attack, Policy: attack, Error: attack, Recent: []lb.Explanation{x}},
		Explanations: []lb.Explanation{x},
	}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := json.NewEncoder(w).Encode(report); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	b := newBench(t)
	for _, format := range []string{"table", "wide", "json", "jsonl", "yaml", "name"} {
		r := b.run("explain", "book", "--from", server.URL, "-o", format)
		checkPlain(t, "explain -o "+format, r.out+r.err)
	}
}
