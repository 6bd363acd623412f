package eureka_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/test/servers"
)

// asked notes which server answered last.
type asked struct {
	http.RoundTripper
	mu   sync.Mutex
	last string // guarded by mu
}

func (a *asked) RoundTrip(q *http.Request) (*http.Response, error) {
	response, err := a.RoundTripper.RoundTrip(q)
	if err == nil {
		a.mu.Lock()
		a.last = q.URL.Host
		a.mu.Unlock()
	}
	return response, err
}

func (a *asked) whom() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// That a server which failed is the first choice again after half a minute is
// shown by the driver's own tests; here the other one leaves before.
func TestTheOtherZonesServerTakesOverAndNobodyIsMissed(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{Members: 2})
	away, home := srv.Member(0), srv.Member(1)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	zones := &asked{RoundTripper: transport}
	r, err := eureka.New(nil, eureka.Options{
		Zone: "b", Zones: map[string][]string{"a": srv.URLs()[:1], "b": srv.URLs()[1:]},
		Poll: 200 * time.Millisecond, Timeout: 2 * time.Second, ServerCache: -1, Transport: zones,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	reg := keepFor(t, r, book(1), longTTL)
	view := look(t, r, "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	if whom := zones.whom(); whom != home.Addr() {
		t.Errorf("%s is asked, not %s of the own zone", whom, home.Addr())
	}
	known := func(member int) {
		t.Helper()
		eventually(t, "known to the peer", func() bool {
			return rawEureka{srv.URLs()[member]}.do(soon(t), http.MethodGet, "/apps/BOOK/book:10.0.0.1:1", "") == nil
		})
	}
	known(0)
	generation := view.Snapshot().Generation
	if err := home.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := reg.Update(func(in *adsum.Instance) { in.Version = "2" }); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "the update, by the other server", func(s *adsum.Snapshot) bool {
		in, ok := s.Get("10.0.0.1:1")
		return ok && in.Version == "2" && !s.Stale()
	})
	if s := view.Snapshot(); s.Generation != generation+1 || zones.whom() != away.Addr() {
		t.Errorf("it took %d generations, and %s is asked", s.Generation-generation, zones.whom())
	}
	if err := home.Start(); err != nil {
		t.Fatal(err)
	}
	known(1)
	if err := away.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "asked at home again", func() bool { return zones.whom() == home.Addr() })
	sees(t, view, "it, by the own zone's server", has("10.0.0.1:1"))
	if lost := reg.State().Lost; lost > 0 {
		t.Errorf("it was lost %d times", lost)
	}
}

func TestPortsLieWhereSpringCloudLooks(t *testing.T) {
	t.Parallel()
	for _, srv := range []*servers.Eureka{sharedServer(t), sharedNetflix.server(t)} {
		in := copyOf("ported", 8080)
		in.Zone = "eu-1"
		in.Endpoints = map[string]string{"https": "10.0.0.1:8443", "management": "10.0.0.1:9090", "grpc": "10.0.0.1:9091"}
		keep(t, open(t, srv), in)
		got := rawEureka{srv.URLs()[0]}.stored(t, "ported", in.Addr)
		if got.Port != (storedPort{8080, "true"}) || got.SecurePort != (storedPort{8443, "true"}) {
			t.Errorf("%s: the ports are %+v and %+v", srv.URLs()[0], got.Port, got.SecurePort)
		}
		for key, want := range map[string]string{"zone": "eu-1", "management.port": "9090", "gRPC_port": "9091"} {
			if got.Metadata[key] != want {
				t.Errorf("%s: metadata %s is %q, want %q", srv.URLs()[0], key, got.Metadata[key], want)
			}
		}
		view := look(t, open(t, srv), "ported")
		sees(t, view, "all of it", func(s *adsum.Snapshot) bool {
			seen, ok := s.Get(in.Addr)
			return ok && seen.Zone == in.Zone && seen.Endpoints["https"] == "10.0.0.1:8443" && seen.Endpoints["grpc"] == "10.0.0.1:9091"
		})
	}
}
