package health_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

func page(t *testing.T) (url string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Role", "leader")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, r.Header.Get("X-Token"))
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no\x1b database\n", http.StatusServiceUnavailable)
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/secret", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "ops" || password != "hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1024)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestHTTPJudgesStatusHeaderAndBody(t *testing.T) {
	url := page(t)
	host := strings.TrimPrefix(url, "http://")
	tests := []struct {
		name  string
		probe health.HTTP
		want  string // of the error, "" for a pass
	}{
		{"well", health.HTTP{URL: url + "/ok"}, ""},
		{"body", health.HTTP{URL: url + "/ok", ExpectBody: "GET " + host}, ""},
		{"method, host and header are sent", health.HTTP{URL: url + "/ok", Method: "POST", Header: http.Header{"X-Token": {"abc"}, "Host": {"book"}}, ExpectBody: "POST book abc"}, ""},
		{"header", health.HTTP{URL: url + "/ok", ExpectHeader: map[string]string{"x-role": "leader"}}, ""},
		{"other header", health.HTTP{URL: url + "/ok", ExpectHeader: map[string]string{"X-Role": "follower"}}, `header X-Role is "leader", not "follower"`},
		{"other body", health.HTTP{URL: url + "/ok", ExpectBody: "fine"}, `do not contain "fine"`},
		{"failure with its text", health.HTTP{URL: url + "/broken"}, "status 503 Service Unavailable: no  database"},
		{"failure expected", health.HTTP{URL: url + "/broken", Expect: []int{500, 503}}, ""},
		{"redirects are not followed", health.HTTP{URL: url + "/login"}, "status 302 Found"},
		{"user and password", health.HTTP{URL: strings.Replace(url, "://", "://ops:hunter2@", 1) + "/secret"}, ""},
		{"wrong password", health.HTTP{URL: strings.Replace(url, "://", "://ops:wrong@", 1) + "/secret"}, "status 401 Unauthorized"},
		{"an endless page is cut", health.HTTP{URL: url + "/endless"}, ""},
		{"within the limit only", health.HTTP{URL: url + "/ok", BodyLimit: 3, ExpectBody: host}, "the first 3 bytes do not contain"},
		{"nobody listens", health.HTTP{URL: "http://" + nobody}, "connection refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.probe.Validate(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			expectError(t, test.probe.Probe(ctx), test.want)
		})
	}
}

func TestHTTPHonoursTheTimeout(t *testing.T) {
	c := start(t, health.Check{Name: "slow", Probe: health.HTTP{URL: page(t) + "/slow"}, Interval: time.Hour, Timeout: 20 * time.Millisecond})
	awaitResult(c)
	expectStatus(t, c, adsum.Starting, "slow: no answer within 20ms")
}

func TestHTTPSTrustsOnlyWhomItIsTold(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	expectError(t, health.HTTP{URL: server.URL}.Probe(t.Context()), "certificate")
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	expectError(t, health.HTTP{URL: server.URL, TLS: &tls.Config{RootCAs: pool}}.Probe(t.Context()), "")
}

func TestTCPConnects(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	expectError(t, health.TCP{Addr: l.Addr().String()}.Probe(t.Context()), "")
	expectError(t, health.TCP{Addr: nobody}.Probe(t.Context()), "connection refused")
}

func TestAURLIsNamedWithoutItsSecrets(t *testing.T) {
	const raw = "http://ops:hunter2@127.0.0.1:8080/healthz?token=hunter3"
	if got := (health.HTTP{URL: raw}).String(); got != "http://127.0.0.1:8080/healthz" {
		t.Errorf("named %s", got)
	}
	err := health.HTTP{URL: "ftp" + raw[4:]}.Validate()
	if err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("error %v", err)
	}
}

func TestParseReadsEveryKindOfCheck(t *testing.T) {
	tests := []struct{ text, name, want string }{
		{"http://127.0.0.1:8080/healthz", "http://127.0.0.1:8080/healthz", ""},
		{"https://[::1]:8443/", "https://[::1]:8443/", ""},
		{"tcp://127.0.0.1:5432", "tcp://127.0.0.1:5432", ""},
		{"tcp://[::1]:5432", "tcp://[::1]:5432", ""},
		{"exec:go version", "exec:go", ""},
		{"", "", "begin with one of: exec, http, https, tcp"},
		{"127.0.0.1:8080", "", "begin with one of"},
		{"grpc://127.0.0.1:1", "", "begin with one of"},
		{"http://", "", "it has no host"},
		{"http://a b/", "", "not well formed"},
		{"tcp://127.0.0.1", "", "it is not host:port"},
		{"tcp://127.0.0.1:http", "", "port is not a number"},
		{"tcp://a:1,b:2", "", "not one host and port"},
		{"tcp://127.0.0.1:1/path", "", "not one host and port"},
		{"exec:  ", "", "the command is empty"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			prober, err := health.Standard().Parse(test.text)
			expectError(t, err, test.want)
			if err == nil && prober.(fmt.Stringer).String() != test.name {
				t.Errorf("named %v, want %s", prober, test.name)
			}
		})
	}
}

func TestAProgramAddsItsOwnKindOfCheck(t *testing.T) {
	parsers := health.Standard()
	parsers["disk"] = func(text string) (health.Prober, error) {
		return health.Func(func(context.Context) error { return fmt.Errorf("%s is full", text) }), nil
	}
	prober, err := parsers.Parse("disk:/var")
	if err != nil {
		t.Fatal(err)
	}
	expectError(t, prober.Probe(t.Context()), "disk:/var is full")
	if _, err := health.Standard().Parse("disk:/var"); err == nil {
		t.Error("one program's table changed another's")
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"http://h/p?q", "https://u:p@h:1", "tcp://[::1]:9", "exec:true", "tcp:x", ":", "http://%zz"} {
		f.Add(text)
	}
	parsers := health.Standard()
	f.Fuzz(func(t *testing.T, text string) {
		prober, err := parsers.Parse(text)
		if (prober == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", text, prober, err)
		}
		if err == nil && prober.(health.Validator).Validate() != nil {
			t.Fatalf("%q parses into something invalid", text)
		}
	})
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want %q", err, want)
	}
}

// nobody is an address where nobody listens. It is none of those that the
// system gives to whoever asks for any port, as other tests do meanwhile.
const nobody = "127.0.0.1:1"

func TestMissingProgramsAreRefused(t *testing.T) {
	expectError(t, health.Exec{Command: []string{"adsum-no-such-program"}}.Validate(), "there is no such program")
	expectError(t, health.Exec{}.Validate(), "it is empty")
	expectError(t, health.Exec{Command: []string{os.Args[0]}}.Validate(), "")
}
