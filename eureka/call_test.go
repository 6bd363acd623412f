package eureka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

// serve starts a server that answers as told, and counts the requests.
func serve(t *testing.T, answer http.HandlerFunc) (base string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked.Add(1)
		answer(w, q)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/eureka", asked
}

func says(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

const (
	oneUser = `{"application":{"name":"USERS","instance":` + fromJava + `}}`
	page    = "<!doctype html><title>x</title>"
)

// look watches until the first listing or error.
func look(t *testing.T, opts Options, bases ...string) (*adsum.Listing, error) {
	t.Helper()
	r, err := New(bases, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var first *adsum.Listing
	err = r.Watch(ctx, "users", func(l adsum.Listing) {
		first = &l
		cancel()
	})
	return first, err
}

func TestOnlyAnAnswerIsAListing(t *testing.T) {
	cold := func(w http.ResponseWriter, q *http.Request) {
		if strings.Count(q.URL.Path, "/") > 3 { // a single instance
			says(http.StatusNotFound, page)(w, q)
			return
		}
		says(http.StatusForbidden, "")(w, q)
	}
	unknown := func(w http.ResponseWriter, q *http.Request) {
		says(map[bool]int{true: 200, false: 404}[strings.HasSuffix(q.URL.Path, "/apps")], page)(w, q)
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		size   int // -1 for an error
		err    error
		text   string
	}{
		"a list":                       {says(200, oneUser), 1, nil, ""},
		"an unknown application":       {unknown, 0, nil, ""},
		"another path":                 {says(404, page), -1, errNoBase, "/eureka/v2 for Netflix"},
		"a server that has just begun": {cold, -1, errCold, "5 minutes"},
		"no right":                     {says(403, page), -1, adsum.ErrDenied, "403"},
		"no password":                  {says(401, ""), -1, adsum.ErrDenied, "401"},
		"a failing server":             {says(503, page), -1, nil, "503"},
		"another page":                 {says(200, page), -1, nil, "base path"},
		"another redirect":             {http.RedirectHandler("http://elsewhere/", http.StatusFound).ServeHTTP, -1, nil, "302"},
		"something else":               {says(200, `{"x":1}`), -1, nil, "base path"},
		"half an answer":               {says(200, oneUser[:100]), -1, nil, "JSON"},
		"nothing":                      {says(200, ""), -1, nil, "JSON"},
	} {
		base, _ := serve(t, c.answer)
		l, err := look(t, Options{}, base)
		if c.size >= 0 {
			if err != nil || l == nil || len(l.Instances) != c.size {
				t.Errorf("%s: %v, %v", name, l, err)
			}
			continue
		}
		if l != nil || err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, %v, want %v with %q", name, l, err, c.err, c.text)
		}
	}
}

func TestAPathThatIsLostErasesNothing(t *testing.T) {
	var lost atomic.Bool
	base, _ := serve(t, func(w http.ResponseWriter, q *http.Request) {
		if lost.Load() {
			says(404, page)(w, q)
			return
		}
		says(200, oneUser)(w, q)
	})
	r, err := New([]string{base}, Options{Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.Watch(t.Context(), "users", func(l adsum.Listing) {
		if len(l.Instances) != 1 {
			t.Errorf("a proxy that lost its Eureka emptied the list: %v", l)
		}
		lost.Store(true)
	})
	if !errors.Is(err, errNoBase) {
		t.Errorf("%v", err)
	}
}

func TestAWrongPathIsToldWhateverIsTried(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{"404": says(404, page), "404 without a page": says(404, ""), "200": says(200, page)} {
		base, _ := serve(t, answer)
		r, err := New([]string{base}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for tried, try := range map[string]func() error{
			"watch":          func() error { return r.Watch(t.Context(), "book", func(adsum.Listing) { t.Error("listed") }) },
			"watch services": func() error { return r.WatchServices(t.Context(), func([]string) { t.Error("listed") }) },
			"remove":         func() error { return r.Remove(t.Context(), "book", "1") },
			"override":       func() error { return r.Override(t.Context(), "book", "1", adsum.Override{Status: adsum.Draining}) },
			"overrides":      func() error { _, err := r.Overrides(t.Context(), "book"); return err },
		} {
			if err := try(); err == nil || !strings.Contains(err.Error(), "base path") || errors.Is(err, adsum.ErrNotFound) {
				t.Errorf("%s, %s: %v", name, tried, err)
			}
		}
	}
}

func TestWhatIsNotThereIsNotFoundAndHasNoOverrides(t *testing.T) {
	base, _ := serve(t, func(w http.ResponseWriter, q *http.Request) {
		says(map[bool]int{true: 200, false: 404}[strings.HasSuffix(q.URL.Path, "/apps")], "")(w, q)
	})
	r, err := New([]string{base}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Remove(t.Context(), "book", "1"); !errors.Is(err, adsum.ErrNotFound) {
		t.Errorf("remove: %v", err)
	}
	if all, err := r.Overrides(t.Context(), "book"); err != nil || len(all) != 0 {
		t.Errorf("overrides: %v, %v", all, err)
	}
}

func TestAColdServerIsNoRefusal(t *testing.T) {
	base, _ := serve(t, func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/USERS") {
			says(403, "")(w, q)
			return
		}
		says(404, "")(w, q)
	})
	if _, err := look(t, Options{}, base); errors.Is(err, adsum.ErrDenied) || adsum.Final(err) {
		t.Errorf("%v: final, although it passes", err)
	}
}

func TestTheNextServerIsAskedWhenOneFails(t *testing.T) {
	for name, bad := range map[string]http.HandlerFunc{
		"500": says(500, page), "cold": func(w http.ResponseWriter, q *http.Request) {
			says(map[bool]int{true: 403, false: 404}[strings.HasSuffix(q.URL.Path, "/USERS")], "")(w, q)
		},
		"broken off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"silent":     func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() },
	} {
		failing, _ := serve(t, bad)
		good, asked := serve(t, says(200, oneUser))
		l, err := look(t, Options{Timeout: 2 * time.Second}, failing, good)
		if err != nil || l == nil || len(l.Instances) != 1 || asked.Load() != 1 {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
}

func TestWhenAllServersFailTheErrorNamesThemAndNoPassword(t *testing.T) {
	one, _ := serve(t, says(500, ""))
	_, err := look(t, Options{User: "u", Password: func() (string, error) { return "topsecret", nil }},
		strings.Replace(one, "http://", "http://a:topsecret@", 1), "http://127.0.0.1:1/eureka")
	if err == nil || !strings.Contains(err.Error(), "500") || !strings.Contains(err.Error(), "127.0.0.1:1/eureka") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("the error is %v", err)
	}
}

func TestAPasswordThatCannotBeReadIsARefusal(t *testing.T) {
	base, asked := serve(t, says(200, oneUser))
	lost := errors.New("the file is gone")
	_, err := look(t, Options{User: "u", Password: func() (string, error) { return "", lost }}, base)
	if !errors.Is(err, adsum.ErrDenied) || !errors.Is(err, lost) || asked.Load() != 0 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}

func TestServersAreAskedForGzipAndJSONWithTheirOwnUser(t *testing.T) {
	base, _ := serve(t, func(w http.ResponseWriter, q *http.Request) {
		user, password, _ := q.BasicAuth()
		if q.Header.Get("Accept-Encoding") != "gzip" || q.Header.Get("Accept") != "application/json" || user != "own" || password != "pass:word" ||
			q.URL.Path != "/eureka/apps/USERS" {
			t.Errorf("%s %v", q.URL, q.Header)
		}
		says(200, oneUser)(w, q)
	})
	if _, err := look(t, Options{User: "other"}, strings.Replace(base, "http://", "http://own:pass%3Aword@", 1)); err != nil {
		t.Error(err)
	}
}

func TestAnUnchangedListIsNotReadAgain(t *testing.T) {
	renewed := strings.Replace(oneUser, `"lastRenewalTimestamp":1795357041550`, `"lastRenewalTimestamp":1795357099999`, 1)
	moved := strings.Replace(renewed, "7004,", "7005,", 1)
	v := &view{service: "users"}
	read := func(body string) adsum.Listing {
		t.Helper()
		l, err := v.read(answer{status: 200, body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := read(oneUser)
	for _, body := range []string{oneUser, renewed} {
		if next := read(body); next.Instances[0] != first.Instances[0] || &next.Instances[0] == &first.Instances[0] {
			t.Error("the instance is another, or the slice the same")
		}
	}
	if next := read(moved); next.Instances[0] == first.Instances[0] || next.Instances[0].Addr != "127.0.0.1:7005" {
		t.Errorf("after a change it is %v", next.Instances[0])
	}
	if l, err := v.read(answer{status: 404}); err != nil || len(l.Instances) != 0 {
		t.Errorf("without any it is %v, %v", l, err)
	}
}

func BenchmarkReadAgainWhenAllRenewed(b *testing.B) {
	bodies := [2][]byte{}
	for n := range bodies {
		all := make([]string, 1000)
		for i := range all {
			all[i] = strings.NewReplacer("users-127.0.0.1-7004", "users-"+time.Duration(i).String(),
				`"lastRenewalTimestamp":1795357041550`, `"lastRenewalTimestamp":179535704155`+string(rune('0'+n))).Replace(fromJava)
		}
		bodies[n] = []byte(`{"application":{"name":"USERS","instance":[` + strings.Join(all, ",") + `]}}`)
	}
	v := &view{service: "users"}
	b.SetBytes(int64(len(bodies[0])))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if l, err := v.read(answer{status: 200, body: bodies[n%2]}); err != nil || len(l.Instances) != 1000 {
			b.Fatal(len(l.Instances), l.Skipped, err)
		}
	}
}

// BenchmarkNamesOfAWholeRegistry lists 100 services of 50 instances each.
func BenchmarkNamesOfAWholeRegistry(b *testing.B) {
	apps := make([]string, 100)
	for n := range apps {
		name := fmt.Sprint("users", n)
		one := strings.ReplaceAll(fromJava, `"users"`, `"`+name+`"`)
		apps[n] = `{"name":"` + strings.ToUpper(name) + `","instance":[` + strings.TrimSuffix(strings.Repeat(one+",", 50), ",") + `]}`
	}
	body := []byte(`{"applications":{"application":[` + strings.Join(apps, ",") + `]}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if names, err := decodeNames(body); err != nil || len(names) != 100 {
			b.Fatal(len(names), err)
		}
	}
}
