package adsum_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

func TestParseURLReadsSeveralHosts(t *testing.T) {
	u, err := adsum.ParseURL("etcd://ann:p%40ss@h1:2379,[::1]:2380,h3/services/eu/?codec=addr&password-file=/run/pw")
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if u.Scheme != "etcd" || u.User.Username() != "ann" || password != "p@ss" || u.Path != "services/eu" ||
		!slices.Equal(u.Hosts, []string{"h1:2379", "[::1]:2380", "h3"}) || u.Query.Get("codec") != "addr" {
		t.Errorf("got %+v", u)
	}
	if got, want := u.String(), "etcd://ann:***@h1:2379,[::1]:2380,h3/services/eu?codec=addr&password-file=%2Frun%2Fpw"; got != want {
		t.Errorf("printed %s, want %s", got, want)
	}
}

func TestParseURLAcceptsURLsWithoutHosts(t *testing.T) {
	for raw, path := range map[string]string{"memory:": "", "file:/etc/services": "/etc/services", "file:services": "services", "file:///etc/x/": "/etc/x",
		"file:/C:/services": "/C:/services", "file:/etc/a@b/c:1": "/etc/a@b/c:1", "file:/a%3A1%40b": "/a:1@b"} {
		if u, err := adsum.ParseURL(raw); err != nil || u.Path != path || len(u.Hosts) != 0 {
			t.Errorf("%s: %+v, %v", raw, u, err)
		}
	}
}

func TestParseURLRefusesWhatIsNoHost(t *testing.T) {
	for _, raw := range []string{"etcd://h:abc/x", "etcd://h:0/x", "etcd://h:99999/x", "etcd://h:/x", "etcd://::1/x", "etcd://[::1/x", "etcd:h:2379/x",
		"etcd:/h:2379/x", "etcd:///h:2379/x", "etcd:/[::1]:2379/x", "etcd:/h:1,h:2"} {
		if u, err := adsum.ParseURL(raw); !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("%s: %v, %v", raw, u, err)
		}
	}
}

func TestParseURLRefusesWhatWasReadWithTheEndOfItsLine(t *testing.T) {
	for _, raw := range []string{"etcd://h/services\n", "etcd://h/services\r", "consul://h?token=x\n", "memory: ", "etcd://h/ser\tvices", "etcd://h/services\u00a0"} {
		if u, err := adsum.ParseURL(raw); !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("%q: %v, %v", raw, u, err)
		}
	}
}

func TestAURLNeverPrintsASecret(t *testing.T) {
	for _, raw := range []string{
		"etcd://ann:hunter2@h/services",
		"consul://h?token=hunter2",
		"consul://h?acl-token=hunter2&x=1",
		"zk://h?auth=digest:ann:hunter2",
		"etcd://h?PASSWORD=hunter2",
		"etcd://ann:hunter2@h,/x",
		"etcd://ann:hunter2@h/%zz",
		"etcd://ann:hunter2@h/x#frag",
		"etcd://ann:hunter2%zz@h/x",
		"consul://h?token=hunter2%zz",
		"://ann:hunter2@h",
		"etcd://ann:hunter2/x@h/services",
		"etcd://ann:1/hunter2@h/services",
		"etcd://ann:1?hunter2@h/services",
		"etcd://ann:hunter2?x@h/services",
		"etcd://ann:hunter2#x@h/services",
		"etcd://ann:1@2/hunter2@h/services",
		"nosuch://ann:hunter2@h/x",
		"etcd:ann:hunter2@h:2379/x",
		"etcd:hunter2@h",
		"etcd:/ann:hunter2@h/services",
		"etcd:/ann:hunter2@h:2379/services",
		"etcd:///ann:hunter2@h/services",
		"consul:/ann:hunter2/x@h",
		"zk://ann@/x:hunter2@h/services",
		"etcd://ann:hunter2@h/services\n",
	} {
		u, err := adsum.ParseURL(raw)
		printed := ""
		if err == nil {
			printed = u.String()
			_, err = adsum.Openers{}.Open(raw)
		}
		if strings.Contains(printed, "hunter2") || err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: printed %q, error %v", raw, printed, err)
		}
	}
}

func TestOpenersNameWhatTheyKnow(t *testing.T) {
	openers := adsum.Openers{"memory": memory.Open}
	registry, err := openers.Open("memory:")
	if err != nil || registry.Capabilities().Driver != "memory" {
		t.Fatalf("%v, %v", registry, err)
	}
	_, err = openers.Open("etcd://h")
	if !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), "use one of: memory") {
		t.Errorf("unknown scheme: %v", err)
	}
	_, err = openers.Open("memory:?colour=red")
	if !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), `"colour"`) {
		t.Errorf("unknown option: %v", err)
	}
}

func TestAnOptionCountsOnce(t *testing.T) {
	u, err := adsum.ParseURL("etcd://h?token=hunter2&tag=a&tag=b&token=hunter3")
	if err != nil {
		t.Fatal(err)
	}
	err = u.Known("tag...", "token")
	want := `invalid registry URL (etcd://…): it has the option "token" 2 times; give it once`
	if !errors.Is(err, adsum.ErrInvalid) || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if err := u.Known("tag...", "token..."); err != nil {
		t.Errorf("options that may be repeated: %v", err)
	}
	if err := u.Known("tag..."); err == nil || !strings.HasSuffix(err.Error(), "the options of etcd are: tag") {
		t.Errorf("unknown option: %v", err)
	}
}

func TestErrorsAboutARegistrysURLHaveOneForm(t *testing.T) {
	openers := adsum.Openers{
		"memory": memory.Open,
		"bare": func(string) (adsum.Registry, error) {
			return nil, fmt.Errorf("%w", &adsum.InvalidError{Field: "codec", Value: `"x"`, Problem: "there is no such format", Fix: "use y"})
		},
		"named": func(string) (adsum.Registry, error) {
			return nil, &adsum.InvalidError{Field: "registry URL (named://…): codec", Problem: "it is missing"}
		},
		"other": func(string) (adsum.Registry, error) { return nil, errors.New("out of files") },
	}
	for raw, want := range map[string]string{
		"nosuch://h":   "invalid registry URL (nosuch://…): this program has no driver for that scheme; use one of: bare, memory, named, other",
		"memory:?x=1":  `invalid registry URL (memory://…): it has an unknown option "x"; memory has no options`,
		"memory://h:0": "invalid registry URL (memory://…): a port is not a number from 1 to 65535; write host:port; in a password write '/' as %2F, '?' as %3F and '#' as %23",
		"bare:":        `invalid registry URL (bare://…): codec "x": there is no such format; use y`,
		"named:":       "invalid registry URL (named://…): codec: it is missing",
		"other:":       "out of files",
	} {
		if _, err := openers.Open(raw); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", raw, err, want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"etcd://a:b@h:1,h2:2/p?x=y", "memory:", "file:/a", "zk://h?auth=x:y", "a://@", "a://[::1]:1", "etcd://h/a%40b", "file:a%3Ab%40c/d:e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := adsum.ParseURL(raw)
		if err != nil {
			if !errors.Is(err, adsum.ErrInvalid) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		again, err := adsum.ParseURL(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q prints as %q, which reads as %v, %v", raw, u, again, err)
		}
	})
}
