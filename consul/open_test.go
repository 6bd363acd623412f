package consul

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

func TestURLsThatCannotBeMeantAreRefused(t *testing.T) {
	for _, raw := range []string{
		"http://h:8500",
		"consul://h:8500/services",
		"consul://me:secret@h:8500",
		"consul://h?codec=naming",
		"consul://h?token=secret&token-file=f",
		"consul://h?cert-file=c",
		"consul://h?tls=maybe",
		"consul://h?tls=false&ca-file=c",
		"consul://h?passing=si",
		"consul://h?timeout=5",
		"consul://h?heartbeat=-1s",
		"consul://h?check=exec:true",
		"consul://h?check=:",
		"consul://h?check-interval=1s",
	} {
		r, err := Open(raw)
		if !errors.Is(err, adsum.ErrInvalid) || r != nil {
			t.Errorf("%s: %v, %v", raw, r, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: a secret is shown: %v", raw, err)
		}
	}
}

func TestURLsSetEveryOption(t *testing.T) {
	registry, err := Open("consul://h,[::1],h2:99?token=secret&tag=a&tag=b&passing=true&datacenter=dc2&max-stale=3s&check=http:/healthz" +
		"&check-interval=2s&check-timeout=1s&deregister-after=5m&timeout=4s&heartbeat=6s&namespace=n&partition=p&dial-timeout=1s&server-name=s")
	if err != nil {
		t.Fatal(err)
	}
	r := registry.(*Registry)
	defer r.Close()
	if got := strings.Join(r.transport.agents, " "); got != "h:8501 [::1]:8501 h2:99" {
		t.Errorf("agents %s", got)
	}
	o := r.opts
	if strings.Join(o.Tags, " ") != "a b" || !o.PassingOnly || o.Datacenter != "dc2" || o.MaxStale != 3*time.Second ||
		o.DeregisterAfter != 5*time.Minute || o.Timeout != 4*time.Second || o.Heartbeat != 6*time.Second {
		t.Errorf("options %+v", o)
	}
	if name := r.Capabilities().Registry; strings.Contains(name, "secret") || !strings.Contains(name, "passing=true") {
		t.Errorf("shown as %s", name)
	}
	if token, err := r.transport.token(); token != "secret" || err != nil {
		t.Errorf("token %q, %v", token, err)
	}
}

func TestWithoutHostsItIsTheLocalAgent(t *testing.T) {
	registry, err := Open("consul:")
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	if got := registry.(*Registry).transport.agents; len(got) != 1 || got[0] != "127.0.0.1:8500" {
		t.Errorf("agents %q", got)
	}
}

func TestACheckThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	for _, raw := range []string{"htp://user:hush@10.0.0.1/healthz", "http://user:hush@10.0.0.1:port/healthz"} {
		_, err := CheckURL(raw, 0, 0)
		if !errors.Is(err, adsum.ErrInvalid) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v", err)
		}
	}
}

func TestChecksOfURLsAskTheInstance(t *testing.T) {
	in := adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Endpoints: map[string]string{"grpc": "10.0.0.1:90"}}
	for raw, want := range map[string]string{
		"http:/healthz":                 "HTTP http://10.0.0.1:80/healthz",
		"http:/h?deep=1":                "HTTP http://10.0.0.1:80/h?deep=1",
		"https:/healthz":                "HTTP https://10.0.0.1:80/healthz",
		"http://127.0.0.1:8080/healthz": "HTTP http://127.0.0.1:8080/healthz",
		"grpc:":                         "GRPC 10.0.0.1:90",
		"grpc:book.BookService":         "GRPC 10.0.0.1:90/book.BookService",
		"grpcs:":                        "GRPC+TLS 10.0.0.1:80",
		"grpc://127.0.0.1:1/x":          "GRPC 127.0.0.1:1/x",
		"tcp:":                          "TCP 10.0.0.1:80",
		"tcp://127.0.0.1:5432":          "TCP 127.0.0.1:5432",
	} {
		make, err := CheckURL(raw, 0, 0)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		check, err := make(in)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		got := "HTTP " + check.HTTP
		switch {
		case check.GRPC != "" && check.GRPCUseTLS:
			got = "GRPC+TLS " + check.GRPC
		case check.GRPC != "":
			got = "GRPC " + check.GRPC
		case check.TCP != "":
			got = "TCP " + check.TCP
		}
		if got != want || check.Interval != "10s" || check.Timeout != "5s" {
			t.Errorf("%s: %s every %s within %s, want %s", raw, got, check.Interval, check.Timeout, want)
		}
	}
}

func TestAHeartbeatIsNoShorterThanMakesSense(t *testing.T) {
	r, err := Open("consul://127.0.0.1:1?heartbeat=1ns")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.Capabilities().Heartbeat; got != 10*time.Millisecond {
		t.Errorf("it is %v", got)
	}
}
