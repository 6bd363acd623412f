package cli_test

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

var adminAt = regexp.MustCompile(`metrics at (http://\S+)/metrics`)

// page asks the command's own port.
func (p *running) page(path string) (status int, body string) {
	p.t.Helper()
	p.err.await(p.t, "/metrics")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(adminAt.FindStringSubmatch(p.err.String())[1] + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// awaitPage asks until the page has the status and the texts.
func (p *running) awaitPage(path string, want int, texts ...string) {
	p.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		status, body := p.page(path)
		missing := errors.New("")
		for _, text := range texts {
			if !strings.Contains(body, text) {
				missing = errors.New(text)
			}
		}
		if status == want && missing.Error() == "" {
			return
		}
		select {
		case <-limit:
			p.t.Fatalf("%s: %d, lacks %q: %s", path, status, missing, body)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// wellNamed has Prometheus' own linter look at the names.
func (p *running) wellNamed() {
	p.t.Helper()
	_, body := p.page("/metrics")
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, problem := range problems {
		p.t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func TestARegistrationIsReadyOnceItIsThere(t *testing.T) {
	b := newBench(t)
	b.server.Down()
	p := b.start("register", "--name", "book", "--addr", "127.0.0.1:1", "--metrics", "127.0.0.1:0",
		"--check", "exec:true", "--check-interval", "20ms")
	p.err.await(t, "not registered, trying on: ")
	if status, body := p.page("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "not registered") {
		t.Errorf("while the registry is down: %d %s", status, body)
	}
	if status, _ := p.page("/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}
	p.awaitPage("/metrics", http.StatusOK, `adsum_registration_registered{adsum_registry="memory:",adsum_service="book"} 0`)
	b.server.Up()
	p.awaitPage("/readyz", http.StatusOK, "book/127.0.0.1:1: registered since ")
	p.awaitPage("/metrics", http.StatusOK,
		`adsum_registration_registered{adsum_registry="memory:",adsum_service="book"} 1`,
		`adsum_registration_accepted_total{adsum_registry="memory:",adsum_service="book"} 1`,
		`adsum_health_status{adsum_check="exec:true",adsum_status="passing"} 1`,
		"\ngo_goroutines ", "\nprocess_")
	p.wellNamed()
	if status, body := p.page("/debug/pprof/"); status != http.StatusOK || !strings.Contains(body, "goroutine") {
		t.Errorf("profiles: %d %s", status, body)
	}
	p.stop()
	if r := p.wait(); r.code != 0 || r.out != "" {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestAWatchIsReadyAlsoWhenItIsStale(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	p := b.start("watch", "book", "--metrics", "127.0.0.1:0")
	p.awaitPage("/readyz", http.StatusOK, "1 services watched")
	p.awaitPage("/metrics", http.StatusOK,
		`adsum_registry_up{adsum_registry="memory:"} 1`,
		`adsum_directory_stale{adsum_registry="memory:",adsum_service="book"} 0`,
		`adsum_directory_instances{adsum_registry="memory:",adsum_service="book",adsum_status="passing"} 1`,
		`adsum_directory_last_sync_timestamp_seconds{`)
	p.wellNamed()
	b.server.Down()
	p.awaitPage("/readyz", http.StatusOK, "book stale since ")
	p.awaitPage("/metrics", http.StatusOK,
		`adsum_registry_up{adsum_registry="memory:"} 0`,
		`adsum_directory_stale{adsum_registry="memory:",adsum_service="book"} 1`)
	p.stop()
	p.wait()
}

func TestABenchReportsItsCalls(t *testing.T) {
	b := newBench(t)
	b.serveWeb(func(http.ResponseWriter, *http.Request) {})
	p := b.start("bench", "web", "/", "--rate", "50", "--duration", "60s", "--metrics", "127.0.0.1:0")
	p.awaitPage("/metrics", http.StatusOK,
		`adsum_client_calls_total{adsum_service="web",adsum_transport="http"}`,
		`http_client_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",server_address="web",server_port="80",service_peer_name="web"}`)
	p.wellNamed()
	p.stop()
	p.wait()
}

func TestAMirrorReportsBothSides(t *testing.T) {
	b := newBench(t)
	b.other = memory.NewServer()
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:2"})
	p := b.start("mirror", "memory:", "other:", "--service", "book", "--metrics", "127.0.0.1:0")
	p.awaitPage("/metrics", http.StatusOK, `adsum_registration_registered{adsum_registry="memory:",adsum_service="book"} 2`)
	p.awaitPage("/readyz", http.StatusOK, "ready\n", "from: directory: 1 services watched\n", "to: directory: 1 services watched\n")
	p.stop()
	p.wait()
}

func TestListenersNeedAnAddressThatCanBeHad(t *testing.T) {
	b := newBench(t)
	for _, listen := range []string{"127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x"} {
		if r := b.run("serve", "--listen", listen); r.code != 1 || !strings.Contains(r.err, "give host:port") {
			t.Errorf("--listen %s: exit %d: %s", listen, r.code, r.err)
		}
	}
	if r := b.run("watch", "book", "--metrics", ":99999"); r.code != 1 || !strings.Contains(r.err, "HOST:PORT") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if r := b.run("watch", "book", "--metrics", "9100"); r.code != 1 || !strings.Contains(r.err, "HOST:PORT") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if r := b.run("watch", "book", "--metrics", "192.0.2.1:9100"); r.code == 0 || !strings.Contains(r.err, "--metrics") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	p := b.start("watch", "book", "--metrics", ":0")
	if status, _ := p.page("/healthz"); status != http.StatusOK || !strings.Contains(p.err.String(), "http://127.0.0.1:") {
		t.Errorf("%d at %s", status, p.err.String())
	}
	p.stop()
	p.wait()
	p = b.start("watch", "book", "--metrics", "0.0.0.0:0")
	if status, _ := p.page("/debug/pprof/"); status != http.StatusNotFound || !strings.Contains(p.err.String(), "WARNING") {
		t.Errorf("profiles for everybody: %d at %s", status, p.err.String())
	}
	p.stop()
	p.wait()
}
