package eureka

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
)

func TestOpenTakesWhatItDocuments(t *testing.T) {
	for rawURL, base := range map[string]string{
		"eureka+http://":                          "http://127.0.0.1:8761/eureka",
		"eureka+http://h":                         "http://h:8761/eureka",
		"eureka+http://h:80/eureka/v2":            "http://h:80/eureka/v2",
		"eureka+https://[::1]/a/b/":               "https://[::1]:8761/a/b",
		"eureka+https://h?ca-file=/ca.pem":        "https://h:8761/eureka",
		"eureka+http://u:p@h,h2?poll=1s":          "http://h:8761/eureka",
		"eureka+http://h?user=u&password-env=VAR": "http://h:8761/eureka",
		"eureka+http://h?prefer-ip=true&zone=eu-1a&eviction=1s&server-cache=0&timeout=1s&dial-timeout=1s&self-preservation=false": "http://h:8761/eureka",
		"eureka+https://h?cert-file=/c.pem&key-file=/k.pem&server-name=eureka.internal":                                           "https://h:8761/eureka",
	} {
		r, err := open(rawURL, nil)
		if err != nil {
			t.Errorf("%s: %v", rawURL, err)
			continue
		}
		if got := r.servers.all[0].String(); got != base {
			t.Errorf("%s: the first server is %s, want %s", rawURL, got, base)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("%s: close: %v", rawURL, err)
		}
	}
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	for rawURL, part := range map[string]string{
		"eureka://h":                                   "scheme",
		"etcd://h":                                     "scheme",
		"eureka+http://h?pol=1s":                       "unknown option",
		"eureka+http://h?poll=fast":                    "poll",
		"eureka+http://h?poll=-1s":                     "poll",
		"eureka+http://h?server-cache=x":               "server-cache",
		"eureka+http://h?prefer-ip=perhaps":            "prefer-ip",
		"eureka+http://h?self-preservation=x":          "self-preservation",
		"eureka+http://h?ca-file=/ca.pem":              "TLS",
		"eureka+https://h?cert-file=/c.pem":            "belong together",
		"eureka+http://h?user=u":                       "exactly one password",
		"eureka+http://u:topsecret@h?password-env=":    "",
		"eureka+http://u:topsecret@h?password-file=/f": "exactly one password",
		"eureka+http://h?password-file=/f":             "no user",
		"eureka+http://h?servers.z=a/b":                "is no host",
		"eureka+http://h?servers.z=u:topsecret@a":      "is no host",
		"eureka+http://h?dial-timeout=0":               "dial-timeout",
	} {
		_, err := Open(rawURL)
		if part == "" {
			if err != nil {
				t.Errorf("%s: %v", rawURL, err)
			}
			continue
		}
		if !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want it invalid for %q", rawURL, err, part)
		} else if strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: a password is printed: %v", rawURL, err)
		}
		if scheme, _, _ := strings.Cut(rawURL, ":"); err != nil && !strings.Contains(err.Error(), "("+scheme+"://…)") {
			t.Errorf("%s: the error is about another scheme: %v", rawURL, err)
		}
	}
	for _, base := range []string{"", "h:8761", "ftp://h/eureka", "http://h/eureka?x=topsecret", "http://u:topsecret@%zz"} {
		if _, err := New([]string{base}, Options{}); !errors.Is(err, adsum.ErrInvalid) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%q: %v", base, err)
		}
	}
	if _, err := New(nil, Options{}); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("no server: %v", err)
	}
}

func TestPasswordsAreReadAnewAndNeverPrinted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for rawURL, prepare := range map[string]func(string){
		"eureka+http://u@h?password-env=EUREKA_TEST_PASSWORD": func(p string) { t.Setenv("EUREKA_TEST_PASSWORD", p) },
		"eureka+http://h?user=u&password-file=" + file: func(p string) {
			if err := os.WriteFile(file, []byte(p+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		r, err := open(rawURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"one", "two"} {
			prepare(want)
			if got, err := r.opts.Password(); got != want || err != nil {
				t.Errorf("%s: %q, %v, want %q", rawURL, got, err, want)
			}
		}
	}
	r, err := Open("eureka+http://u:topsecret@h")
	if err != nil || strings.Contains(r.Capabilities().Registry, "topsecret") || !strings.Contains(r.Capabilities().Registry, "***") {
		t.Errorf("shown as %s, %v", r.Capabilities().Registry, err)
	}
}
