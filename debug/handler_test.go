package debug_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/debug"
	"github.com/adsum-go/adsum/lb"
)

// inspected is a program with one client of "book", of three copies.
func inspected(t *testing.T, policy lb.Policy) (*lb.Inspector, *lb.Balancer) {
	t.Helper()
	inspector := &lb.Inspector{}
	b := lb.New(policy, lb.Options{Window: -1, Inspector: inspector, Transport: "grpc"})
	t.Cleanup(b.Close)
	b.Update(&adsum.Snapshot{Service: "book", Generation: 4, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80", Weight: 1, Status: adsum.Passing, Metadata: map[string]string{"token": "s3cret"}},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80", Weight: 1, Status: adsum.Critical, Reason: "disk full"},
		{ID: "c", Service: "book", Addr: "10.0.0.3:80", Weight: 1, Status: adsum.Passing},
	}})
	return inspector, b
}

func request(query string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:6060"+debug.Path+query, nil)
	r.RemoteAddr = "127.0.0.1:40000"
	return r
}

func ask(inspector *lb.Inspector, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	debug.Handler(inspector).ServeHTTP(w, r)
	return w
}

func report(t *testing.T, w *httptest.ResponseRecorder) (report debug.Report) {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	return report
}

func TestOnlyTheSameMachineIsAnswered(t *testing.T) {
	inspector, _ := inspected(t, lb.RoundRobin)
	for name, test := range map[string]struct {
		caller, host, header string
		status               int
	}{
		"IPv4":                     {"127.0.0.1:40000", "127.0.0.1:6060", "", 200},
		"IPv6":                     {"[::1]:40000", "[::1]:6060", "", 200},
		"IPv4 in IPv6":             {"[::ffff:127.0.0.1]:40000", "127.0.0.2", "", 200},
		"localhost":                {"127.0.0.1:40000", "LocalHost:6060", "", 200},
		"another machine":          {"192.0.2.1:40000", "127.0.0.1:6060", "", 403},
		"another machine, by IPv6": {"[2001:db8::1]:40000", "[::1]:6060", "", 403},
		"no address":               {"@", "localhost", "", 403},
		"a name that points here":  {"127.0.0.1:40000", "evil.example:6060", "", 403},
		"a name like ours":         {"127.0.0.1:40000", "localhost.evil.example", "", 403},
		"no host":                  {"127.0.0.1:40000", "", "", 403},
		"a proxy":                  {"127.0.0.1:40000", "127.0.0.1:6060", "X-Forwarded-For", 403},
		"another proxy":            {"127.0.0.1:40000", "127.0.0.1:6060", "Forwarded", 403},
	} {
		r := request("")
		r.RemoteAddr, r.Host = test.caller, test.host
		if test.header != "" {
			r.Header.Set(test.header, "for=192.0.2.1")
		}
		w := ask(inspector, r)
		if w.Code != test.status {
			t.Errorf("%s: %d, want %d", name, w.Code, test.status)
		}
		if shown := strings.Contains(w.Body.String(), "10.0.0.1"); shown != (test.status == 200) {
			t.Errorf("%s: %s", name, w.Body)
		}
		if test.status == 403 && !strings.Contains(w.Body.String(), "same machine") {
			t.Errorf("%s: refused without the reason: %s", name, w.Body)
		}
	}
}

func TestJSONHasWhatIsKnownAndWhatWasPicked(t *testing.T) {
	inspector, b := inspected(t, lb.LeastRequest)
	picked, err := b.Pick(&lb.Call{Key: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
	defer picked.Done(lb.Outcome{})
	w := ask(inspector, request("?service=book&key=k&tried=a&n=2&format=json"))
	if text := w.Body.String(); strings.Contains(text, "s3cret") || strings.Contains(text, "somebody") {
		t.Errorf("metadata or a caller's key is shown:\n%s", text)
	}
	got := report(t, w)
	if len(got.Services) != 1 {
		t.Fatalf("%+v", got)
	}
	s := got.Services[0]
	if s.Service != "book" || s.Transport != "grpc" || s.Policy != "least_request" || s.Generation != 4 || len(s.Endpoints) != 3 {
		t.Errorf("%+v", s)
	}
	if e := s.Endpoints[1]; e.Reason != lb.ReasonStatus || e.Detail != "critical: disk full" {
		t.Errorf("%+v", e)
	}
	at := slices.IndexFunc(s.Endpoints, func(c lb.Candidate) bool { return c.ID == picked.Endpoint.ID() })
	if s.Endpoints[at].InFlight != 1 {
		t.Errorf("%+v", s.Endpoints[at])
	}
	if len(s.Explanations) != 2 || s.Explanations[0].Chosen != "c" || s.Explanations[0].Key != "k" || !slices.Equal(s.Explanations[1].Tried, []string{"a"}) {
		t.Errorf("%+v", s.Explanations)
	}
	if len(s.Recent) != 1 || s.Recent[0].Chosen != picked.Endpoint.ID() {
		t.Errorf("%+v", s.Recent)
	}
}

func TestCurlGetsTextAndProgramsJSON(t *testing.T) {
	inspector, b := inspected(t, lb.RoundRobin)
	if picked, err := b.Pick(nil); err != nil {
		t.Error(err)
	} else {
		picked.Done(lb.Outcome{})
	}
	w := ask(inspector, request("?service=book"))
	for _, want := range []string{
		"book over grpc, by round_robin; generation 4", "status: critical: disk full", "would pick now: ", "the next in turn", "last picks, of 1 recorded",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in\n%s", want, w.Body)
		}
	}
	r := request("")
	r.Header.Set("Accept", "application/json")
	if got := report(t, ask(inspector, r)); len(got.Services) != 1 || len(got.Services[0].Explanations) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsAskedWrongIsRefusedWithTheReason(t *testing.T) {
	inspector, _ := inspected(t, lb.RoundRobin)
	for query, want := range map[string]string{
		"?servcie=book": `there is no "servcie"`, "?n=-1": "from 0 to 1000", "?n=1001": "from 0 to 1000", "?n=x": "from 0 to 1000",
		"?format=xml": "json or text", "?a=%zz": "query",
	} {
		if w := ask(inspector, request(query)); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := ask(inspector, request("?service=web")); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "it calls book") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r := request("")
	r.Method = http.MethodPost
	if w := ask(inspector, r); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("%d", w.Code)
	}
}

func TestAProgramThatCallsNobodySaysSo(t *testing.T) {
	if w := ask(&lb.Inspector{}, request("")); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "calls no service") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(&lb.Inspector{}, request("?service=book")); w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNothingThatATerminalObeysIsShown(t *testing.T) {
	const attack = "a\x1b[2J\u009b31m\u202egnp.exe\r\nfake line\x00\U000e0041\xff"
	inspector := &lb.Inspector{}
	b := lb.New(lb.RoundRobin, lb.Options{Window: -1, Inspector: inspector, Transport: attack})
	defer b.Close()
	b.Update(&adsum.Snapshot{Service: "book" + attack, Generation: 1, Err: adsum.ErrDenied, Instances: []*adsum.Instance{
		{ID: attack, Addr: attack, Zone: attack, Version: attack, Status: adsum.Status(attack), Reason: attack},
		{ID: attack + "b", Addr: attack, Zone: attack, Status: adsum.Passing},
	}})
	if picked, err := b.Pick(nil); err != nil {
		t.Error(err)
	} else {
		picked.Done(lb.Outcome{})
	}
	for _, query := range []string{"?n=1", "?n=1&format=json", "?service=" + "%1b", "?%1b=1"} {
		text := ask(inspector, request(query)).Body.String()
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 || strings.Contains(text, "\nfake") {
			t.Errorf("%s: %q", query, text)
		}
	}
}
