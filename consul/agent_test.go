package consul

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// agent is a stand-in for a Consul agent whose answers a test chooses; it
// knows no key-value pairs.
func agent(t *testing.T, answer http.HandlerFunc) (addr string) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Consul-LastContact", "0")
		switch {
		case strings.HasPrefix(q.URL.Path, "/v1/kv/"), strings.HasPrefix(q.URL.Path, "/v1/agent/health/"):
			w.WriteHeader(http.StatusNotFound)
		default:
			answer(w, q)
		}
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func openAgent(t *testing.T, addrs, options string) *Registry {
	t.Helper()
	if !strings.Contains(options, "&heartbeat=") {
		options += "&heartbeat=200ms"
	}
	r, err := Open("consul://" + addrs + "?timeout=2s" + options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r.(*Registry)
}

// at answers a question with an empty list at an index.
func at(w http.ResponseWriter, index uint64) {
	w.Header().Set("X-Consul-Index", fmt.Sprint(index))
	fmt.Fprint(w, "[]")
}

// isProbe tells the questions for the index alone.
func isProbe(q *http.Request) bool { return q.URL.Query().Get("filter") != "" }

func TestAnIndexThatGoesBackIsFollowedFromTheBeginning(t *testing.T) {
	var now atomic.Uint64
	now.Store(50)
	var asked atomic.Value // the last index asked for
	addr := agent(t, func(w http.ResponseWriter, q *http.Request) {
		index := q.URL.Query().Get("index")
		if !isProbe(q) {
			asked.Store(index)
			if index == fmt.Sprint(now.Load()) || index == "50" { // as a wiped server, which waits for 51
				select {
				case <-q.Context().Done():
				case <-time.After(20 * time.Second):
				}
				return
			}
		}
		at(w, now.Load())
	})
	sequences := make(chan uint64, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	r := openAgent(t, addr, "")
	go func() { ended <- r.Watch(ctx, "book", func(l adsum.Listing) { sequences <- l.Sequence }) }()
	wait := func(want uint64) {
		t.Helper()
		for {
			select {
			case got := <-sequences:
				if got == want {
					return
				}
			case err := <-ended:
				t.Fatalf("ended with %v", err)
			case <-time.After(10 * time.Second):
				t.Fatalf("never at %d; asked last for %v", want, asked.Load())
			}
		}
	}
	wait(50)
	now.Store(7)
	wait(7)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("a watch whose context ended: %v", err)
	}
}

func TestAQuestionThatIsStuckIsPutAgain(t *testing.T) {
	var asked atomic.Int64
	addr := agent(t, func(w http.ResponseWriter, q *http.Request) {
		switch {
		case isProbe(q):
			at(w, 60)
		case q.URL.Query().Get("index") == "":
			at(w, 50+uint64(asked.Add(1)))
		default:
			<-q.Context().Done()
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	err := openAgent(t, addr, "").Watch(ctx, "book", func(l adsum.Listing) {
		if l.Sequence == 52 {
			cancel()
		}
	})
	if err != nil || asked.Load() != 2 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

func TestAnswersThatComeAllTheTimeArePaced(t *testing.T) {
	const enough = 16 // five of them at once
	var asked atomic.Uint64
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	addr := agent(t, func(w http.ResponseWriter, q *http.Request) {
		n := asked.Add(1)
		if n >= enough {
			cancel()
		}
		at(w, n)
	})
	began := time.Now()
	if err := openAgent(t, addr, "&heartbeat=10s").Watch(ctx, "book", func(adsum.Listing) {}); err != nil {
		t.Fatal(err)
	}
	if n, took := asked.Load(), time.Since(began); n < enough || took < 800*time.Millisecond {
		t.Errorf("%d questions in %v, want some 15 in the first second", n, took)
	}
}

func TestAServerTooFarBehindIsNotBelieved(t *testing.T) {
	addr := agent(t, func(w http.ResponseWriter, q *http.Request) {
		if !q.URL.Query().Has("stale") {
			t.Error("asked for the leader's answer")
		}
		w.Header().Set("X-Consul-LastContact", "4000")
		at(w, 1)
	})
	err := openAgent(t, addr, "&max-stale=3s").Watch(t.Context(), "book", func(adsum.Listing) { t.Error("emitted") })
	if err == nil || !strings.Contains(err.Error(), "4s ago, 3s is allowed") {
		t.Errorf("got %v", err)
	}
}

func TestFiltersAndPlacesArePassedOn(t *testing.T) {
	seen := make(chan string, 10)
	addr := agent(t, func(w http.ResponseWriter, q *http.Request) {
		seen <- q.URL.RawQuery
		w.WriteHeader(http.StatusTeapot)
	})
	r := openAgent(t, addr, "&tag=a&tag=b&passing=true&datacenter=dc2&namespace=n1&partition=p1")
	_ = r.Watch(t.Context(), "book", func(adsum.Listing) {})
	query := <-seen
	for _, want := range []string{"tag=a", "tag=b", "passing=1", "dc=dc2", "ns=n1", "partition=p1"} {
		if !strings.Contains(query, want) {
			t.Errorf("asked with %s, without %s", query, want)
		}
	}
}

func TestAnswersComeGzipped(t *testing.T) {
	addr := agent(t, func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("accepts %q", q.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Consul-Index", "3")
		zip := gzip.NewWriter(w)
		fmt.Fprint(zip, `[{"Node":{"Node":"n","Address":"10.0.0.1"},"Service":{"ID":"x","Service":"book","Port":80}}]`)
		_ = zip.Close()
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := openAgent(t, addr, "").Watch(ctx, "book", func(l adsum.Listing) {
		if len(l.Instances) != 1 || l.Instances[0].Addr != "10.0.0.1:80" {
			t.Errorf("got %v", l.Instances)
		}
		cancel()
	}); err != nil {
		t.Error(err)
	}
}

func TestTokenFilesAreReadForEveryRequest(t *testing.T) {
	var shown atomic.Value
	addr := agent(t, func(w http.ResponseWriter, q *http.Request) {
		shown.Store(q.Header.Get("X-Consul-Token"))
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "Permission denied")
	})
	file := filepath.Join(t.TempDir(), "token")
	r := openAgent(t, addr, "&token-file="+file)
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := r.Watch(t.Context(), "book", func(adsum.Listing) {})
		if !errors.Is(err, adsum.ErrDenied) || shown.Load() != token || strings.Contains(err.Error(), token) {
			t.Errorf("showed %q: %v", shown.Load(), err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := r.Watch(t.Context(), "book", func(adsum.Listing) {}); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("without the file: %v", err)
	}
	r = openAgent(t, addr, "&token-env=ADSUM_CONSUL_TEST_TOKEN")
	if err := r.Watch(t.Context(), "book", func(adsum.Listing) {}); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("without the variable: %v", err)
	}
	t.Setenv("ADSUM_CONSUL_TEST_TOKEN", "third")
	_ = r.Watch(t.Context(), "book", func(adsum.Listing) {})
	if shown.Load() != "third" {
		t.Errorf("showed %q", shown.Load())
	}
}

func TestAForeignServersPageIsShortInAnError(t *testing.T) {
	const page = "<!doctype html>\r\n<title>\x1b[31m404\u202e\xff</title>\n"
	for code, says := range map[int]string{
		http.StatusNotFound:  "404 (<!doctype html> <title>�[31m404��</title> é",
		http.StatusForbidden: "403 (<!doctype html> <title>�[31m404��</title> é",
		http.StatusOK:        "is it Consul that listens there?",
	} {
		addr := agent(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, page+strings.Repeat("é", 1000)+" end")
		})
		err := openAgent(t, addr, "").Watch(t.Context(), "book", func(adsum.Listing) { t.Error("listed") })
		if err == nil || !strings.Contains(err.Error(), says) || len(err.Error()) > 450 ||
			!utf8.ValidString(err.Error()) || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%d: %q", code, err)
		}
		if code != http.StatusOK && !answered(err, code) {
			t.Errorf("%d: the answer is no longer in the error", code)
		}
	}
}

func TestTheNextAgentIsAskedWhenOneFails(t *testing.T) {
	good := agent(t, func(w http.ResponseWriter, q *http.Request) { at(w, 9) })
	broken := agent(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	r := openAgent(t, "127.0.0.1:1,"+broken+","+good, "")
	ask := func() error {
		_, _, err := r.client.Health().Service("book", "", false, nil)
		return err
	}
	if err := ask(); err == nil {
		t.Error("the broken agent answered")
	}
	for range 3 {
		if err := ask(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnEmptyAnswerIsNotBelievedWithoutTheRight(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("X-Consul-LastContact", "0")
		if strings.HasPrefix(q.URL.Path, "/v1/agent/health/service/name/book") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		at(w, 5)
	}))
	t.Cleanup(srv.Close)
	r := openAgent(t, strings.TrimPrefix(srv.URL, "http://"), "")
	if err := r.Watch(t.Context(), "book", func(adsum.Listing) { t.Error("emitted") }); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestARecordThatTheAgentForgotIsALostLeaseAndSaysSo(t *testing.T) {
	r := openAgent(t, agent(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }), "")
	l := &lease{r: r, name: "book/i1", id: serviceID("book", "i1")}
	if err := l.inspect(t.Context()); !errors.Is(err, adsum.ErrLeaseLost) || !strings.Contains(err.Error(), "does not know the record") {
		t.Errorf("got %v", err)
	}
}

func TestALocalLookAtACheck(t *testing.T) {
	status := http.StatusOK
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("X-Probe") != "yes" {
			t.Error("without the check's header")
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(page.Close)
	addr := strings.TrimPrefix(page.URL, "http://")
	check := &api.AgentServiceCheck{HTTP: page.URL, Header: map[string][]string{"x-probe": {"yes"}}}
	for _, good := range []*api.AgentServiceCheck{check, {TCP: addr}, {GRPC: addr + "/book"}, {HTTP: "https://" + addr + "/x"}, {TTL: "5s"}} {
		if err := passes(t.Context(), good); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	status = http.StatusServiceUnavailable
	for _, bad := range []*api.AgentServiceCheck{check, {TCP: "127.0.0.1:1"}, {GRPC: "127.0.0.1:1"}, {HTTP: "http://127.0.0.1:1"}, {HTTP: "https://127.0.0.1:1"}} {
		if err := passes(t.Context(), bad); err == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}
