package debug

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// Path is where [Handler] is usually mounted.
const Path = "/debug/adsum"

// Report is what the handler answers in JSON. Its form is a contract: later
// versions only add keys.
type Report struct {
	Time     time.Time `json:"time"`
	Services []Service `json:"services"`
}

// Service is one that the program calls; once for each transport that calls it.
type Service struct {
	lb.Inspection
	// Explanations are the hypothetical picks that were asked for.
	Explanations []lb.Explanation `json:"explanations"`
}

// mostPicks is how many hypothetical picks may be asked for at a time.
const mostPicks = 1000

// Handler serves what the inspector sees. A query narrows it, and asks for more:
//
//	service=NAME   this service only; 404 if the program does not call it
//	n=N            N hypothetical picks of each, 1000 at most; default 1 with service=, else none
//	key=K          made with this key
//	tried=ID       by a call that has been at this copy; may be repeated
//	format=json    JSON, whatever the Accept header says; or text
//
// It refuses whoever is not on the same machine: a caller whose address is no
// loopback address, a Host header that is no name of one (a web page may have
// its own name point here), and what a proxy passed on. It changes nothing, and
// shows no metadata of copies and no keys of calls.
//
// It is safe for concurrent use, and takes time that grows with the number of
// copies.
func Handler(inspector *lb.Inspector) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := local(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		q, err := parseQuestion(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		report := q.ask(inspector)
		if len(report.Services) == 0 && q.service != "" {
			http.Error(w, q.unknown(inspector), http.StatusNotFound)
			return
		}
		if err := q.write(w, report); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// question is what a request asks for.
type question struct {
	service string
	picks   int
	key     string
	tried   []string
	json    bool
}

func parseQuestion(r *http.Request) (question, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return question{}, fmt.Errorf("query: %w", err)
	}
	q := question{
		service: values.Get("service"), key: values.Get("key"), tried: values["tried"],
		json: strings.Contains(r.Header.Get("Accept"), "application/json"),
	}
	if q.service != "" {
		q.picks = 1
	}
	for name := range values {
		if !slices.Contains([]string{"service", "n", "key", "tried", "format"}, name) {
			return question{}, fmt.Errorf("query: there is no %q; use service, n, key, tried or format", clean(name))
		}
	}
	if n := values.Get("n"); n != "" {
		if q.picks, err = strconv.Atoi(n); err != nil || q.picks < 0 || q.picks > mostPicks {
			return question{}, fmt.Errorf("query: n must be a number from 0 to %d", mostPicks)
		}
	}
	switch values.Get("format") {
	case "":
	case "json":
		q.json = true
	case "text":
		q.json = false
	default:
		return question{}, errors.New("query: format is json or text")
	}
	return q, nil
}

// ask looks at the balancers.
func (q question) ask(inspector *lb.Inspector) Report {
	report := Report{Time: time.Now(), Services: []Service{}}
	for _, b := range inspector.Balancers() {
		if q.service != "" && b.Service() != q.service {
			continue
		}
		s := Service{Inspection: b.Inspect(), Explanations: []lb.Explanation{}}
		for range q.picks {
			s.Explanations = append(s.Explanations, b.Explain(q.call(b)))
		}
		report.Services = append(report.Services, s)
	}
	return report
}

// call is the one that hypothetical picks are made for.
func (q question) call(b *lb.Balancer) *lb.Call {
	call := &lb.Call{Key: q.key}
	for _, ep := range b.Endpoints() {
		if slices.Contains(q.tried, ep.ID()) {
			call.Tried = append(call.Tried, ep)
		}
	}
	return call
}

func (q question) unknown(inspector *lb.Inspector) string {
	var names []string
	for _, b := range inspector.Balancers() {
		names = append(names, clean(b.Service()))
	}
	if len(names) == 0 {
		return "this program calls no service now"
	}
	return fmt.Sprintf("this program does not call %q; it calls %s", clean(q.service), strings.Join(slices.Compact(names), ", "))
}

func (q question) write(w http.ResponseWriter, report Report) error {
	var body bytes.Buffer
	if q.json {
		w.Header().Set("Content-Type", "application/json")
		e := json.NewEncoder(&body)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
		_, err := w.Write(cleanJSON(body.Bytes()))
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	writeText(&body, report)
	_, err := w.Write(body.Bytes())
	return err
}
