package zookeeper_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/zookeeper"
)

func TestOpenNeedsNoRegistry(t *testing.T) {
	for _, url := range []string{
		"zk://127.0.0.1:1/services",
		"zk:///services",
		"zk://a,b:2181,[::1]/services?codec=kratos&chroot=/team&acl=auth::cdrwa,digest:bob:secret:r&timeout=2s&heartbeat=1s&dial-timeout=3s",
		"zk://user:secret@127.0.0.1:1/services?tls=true",
		"zk://user@127.0.0.1:1/services?password-file=/nowhere",
		"zk://127.0.0.1:1/services?ca-file=/nowhere&cert-file=a&key-file=b&server-name=zk.example",
	} {
		r, err := zookeeper.Open(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if name := r.Capabilities().Registry; strings.Contains(name, "secret") {
			t.Errorf("%s is shown as %s", url, name)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("%s: close: %v", url, err)
		}
	}
}

func TestOpenRefusesWhatItCannotMean(t *testing.T) {
	for url, hint := range map[string]string{
		"zk://h:1/services?codec=xml":                            "curator, spring, addr, kratos",
		"zk://h:1/services?colour=red":                           "unknown option",
		"zk://h:1/services?timeout=5":                            "write it like 5s",
		"zk://h:1/services?timeout=-1s":                          "write it like 5s",
		"zk://h:1/services?tls=maybe":                            "tls=true",
		"zk://h:1/services?tls=false&ca-file=x":                  "other options ask for TLS",
		"zk://h:1/services?cert-file=x":                          "belong together",
		"zk://u@h:1/services":                                    "exactly one password",
		"zk://u:secret@h:1/services?password-file=x":             "exactly one password",
		"zk://h:1/services?password-env=PW":                      "no user",
		"zk://h:1/zookeeper/config":                              "another path",
		"zk://h:1/a?acl=world":                                   "three parts",
		"zk://h:1/a?acl=world:anyone:x":                          "letters c, d, r, w and a",
		"zk://h:1/a?acl=world:anyone:":                           "permits nothing",
		"zk://h:1/a/../b":                                        "no name of a node",
		"zk://h:1/adsum/v1":                                      "another path",
		"zk://u:secret@h:1/services?heartbeat=secret&password=x": "unknown option",
	} {
		r, err := zookeeper.Open(url)
		if !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("%s: got %v, %v", url, r, err)
			continue
		}
		if message := err.Error(); !strings.Contains(message, hint) || strings.Contains(message, ":secret") {
			t.Errorf("%s: %v does not say %q, or says too much", url, err, hint)
		}
	}
}

func TestRegistryThatIsDownFailsSoonAndSaysWhere(t *testing.T) {
	const addr = "127.0.0.1:1" // no port that the system gives to another test meanwhile
	r := open(t, "zk://"+addr+"/services")
	err := r.Watch(t.Context(), "book", func(adsum.Listing) { t.Error("emitted without an answer") })
	if err == nil || !strings.Contains(err.Error(), addr) || adsum.Final(err) {
		t.Errorf("watch: %v", err)
	}
	_, err = r.Register(t.Context(), adsum.Instance{Service: "book", Addr: "10.0.0.1:80"}, adsum.RegisterOptions{TTL: time.Second})
	if err == nil || !strings.Contains(err.Error(), addr) || adsum.Final(err) {
		t.Errorf("register: %v", err)
	}
}

func TestServerThatSaysNothingFailsWithinTheTimeout(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := open(t, "zk://"+listener.Addr().String()+"/services?timeout=100ms")
	if err := r.Watch(t.Context(), "book", nil); err == nil || adsum.Final(err) {
		t.Errorf("watch: %v", err)
	}
}

func TestClosedRegistrySaysSo(t *testing.T) {
	r := open(t, "zk://127.0.0.1:1/services")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Watch(t.Context(), "book", nil); !errors.Is(err, adsum.ErrClosed) {
		t.Errorf("watch: %v", err)
	}
	if _, err := r.Register(t.Context(), adsum.Instance{Service: "book", Addr: "10.0.0.1:80"}, adsum.RegisterOptions{}); !errors.Is(err, adsum.ErrClosed) {
		t.Errorf("register: %v", err)
	}
}

func TestEndedContextIsNoError(t *testing.T) {
	r := open(t, "zk://127.0.0.1:1/services")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Watch(ctx, "book", nil); err != nil {
		t.Errorf("watch: %v", err)
	}
}

func TestBadInputIsRefusedBeforeAnyIO(t *testing.T) {
	r := open(t, "zk://127.0.0.1:1/services")
	_, err1 := r.Register(t.Context(), adsum.Instance{Service: "book", Addr: "0.0.0.0:80"}, adsum.RegisterOptions{})
	_, err2 := r.Register(t.Context(), adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Tags: []string{strings.Repeat("x", 300<<10)}}, adsum.RegisterOptions{})
	err3 := r.Watch(t.Context(), "a/b", nil)
	err4 := r.(adsum.Overrider).Override(t.Context(), "book", "i1", adsum.Override{Status: adsum.Passing})
	err5 := r.(adsum.Remover).Remove(t.Context(), "book", "a/b")
	_, err6 := r.(adsum.Overrider).Overrides(t.Context(), "")
	for i, err := range []error{err1, err2, err3, err4, err5, err6} {
		if !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("%d: %v", i+1, err)
		}
	}
}

func TestServicesCannotBeListedWithoutABase(t *testing.T) {
	r := open(t, "zk://127.0.0.1:1")
	if err := r.(adsum.ServiceWatcher).WatchServices(t.Context(), nil); !errors.Is(err, adsum.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

func TestMissingPasswordIsDeniedWithoutShowingAnything(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(empty, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, option := range []string{"password-file=" + empty + ".gone", "password-env=ADSUM_TEST_UNSET"} {
		r := open(t, "zk://user@127.0.0.1:1/services?timeout=1s&"+option)
		if err := r.Watch(t.Context(), "book", nil); !errors.Is(err, adsum.ErrDenied) {
			t.Errorf("%s: %v", option, err)
		}
	}
}

func open(t *testing.T, url string) adsum.Registry {
	t.Helper()
	r, err := zookeeper.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func ExampleOpen() {
	registry, err := zookeeper.Open("zk://10.0.0.1:2181,10.0.0.2:2181/services?codec=spring")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer registry.Close()
	fmt.Println(registry.Capabilities().Registry)

	_, err = zookeeper.Open("zk://10.0.0.1:2181/services?codec=xml")
	fmt.Println(err)
	// Output:
	// zk://10.0.0.1:2181,10.0.0.2:2181/services?codec=spring
	// invalid codec "xml": there is no such format here; use one of: curator, spring, addr, kratos
}

func TestAHeartbeatIsNoShorterThanMakesSense(t *testing.T) {
	r, err := zookeeper.Open("zk://127.0.0.1:1?heartbeat=1ns")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.Capabilities().Heartbeat; got != 10*time.Millisecond {
		t.Errorf("it is %v", got)
	}
}
