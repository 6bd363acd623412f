package adsumhttp

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
)

// LoadPath is where a [LoadHandler] answers clients that ask for the server's
// load without calling it, as those with the policy lb.Prequal do.
const LoadPath = "/.well-known/adsum-load"

// LoadHandler is next with a report of the server's load in the headers of every
// answer (Endpoint-Load-Metrics, as Envoy reads it), where the policies lb.C3
// and lb.Prequal find it, and with an admission that refuses what is too much:
// by 503, with a Retry-After of whole seconds and a Retry-After-Ms that is
// exact, which [Transport] goes by. Either may be nil.
//
// What must always be answered, such as [Healthz] and [Readyz], and what lasts,
// such as WebSockets, stands beside it and not behind it. An admission without
// a meter gets this one.
func LoadHandler(next http.Handler, meter *load.Meter, admission *load.Admission) http.Handler {
	if admission != nil {
		if admission.Meter == nil {
			admission.Meter = meter
		}
		meter = admission.Meter
	}
	return &gate{next, meter, admission}
}

// gate is what requests to a server pass.
type gate struct {
	next      http.Handler
	meter     *load.Meter
	admission *load.Admission
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == LoadPath && g.meter != nil {
		g.tell(w.Header(), 0)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	leave, err := g.enter(r)
	if err != nil {
		g.refuse(w, err)
		return
	}
	telling := &teller{ResponseWriter: w, gate: g}
	returned := false
	defer func() { leave(returned && telling.status < 500) }() // also when it panics
	g.next.ServeHTTP(telling.asWriter(), r)
	telling.tell(http.StatusOK) // if the handler wrote nothing
	returned = true
}

func (g *gate) enter(r *http.Request) (leave func(well bool), err error) {
	switch {
	case g.admission != nil:
		ticket, err := g.admission.Enter(r.Context())
		return func(well bool) { ticket.Leave(well, r.Context().Err() != nil) }, err
	case g.meter != nil:
		return g.meter.Begin().Done, nil
	default:
		return func(bool) {}, nil
	}
}

// refuse is the answer to a request that was not let in.
func (g *gate) refuse(w http.ResponseWriter, err error) {
	g.tell(w.Header(), 0)
	var refused *load.RefusedError
	if errors.As(err, &refused) { // else the caller gave up
		w.Header().Set("Retry-After", strconv.FormatInt(int64((refused.RetryAfter+time.Second-1)/time.Second), 10))
		w.Header().Set(retryAfterMs, strconv.FormatInt(refused.RetryAfter.Milliseconds(), 10))
	}
	report(w, http.StatusServiceUnavailable, err.Error())
}

// tell puts the report into the headers, without so many of the requests.
func (g *gate) tell(h http.Header, own int) {
	if g.meter != nil {
		r := g.meter.Report()
		r.InFlight -= own
		h.Set(load.Header, string(r.AppendText(make([]byte, 0, 192))))
	}
}

// teller puts the report into the headers at the last moment.
type teller struct {
	http.ResponseWriter
	gate   *gate
	status int // 0 before the headers are written
}

func (t *teller) tell(status int) {
	if t.status == 0 {
		t.status = status
		t.gate.tell(t.Header(), 1)
	}
}

func (t *teller) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		t.tell(status)
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *teller) Write(p []byte) (int, error) {
	t.tell(http.StatusOK)
	return t.ResponseWriter.Write(p)
}

// Flush is for handlers that ask for an [http.Flusher]; it does nothing where the
// server cannot.
func (t *teller) Flush() {
	t.tell(http.StatusOK)
	if f, ok := t.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap is for [http.ResponseController].
func (t *teller) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// asWriter is the teller with what a connection of HTTP/1 can do besides, if it
// is one.
func (t *teller) asWriter() http.ResponseWriter {
	_, hijacks := t.ResponseWriter.(http.Hijacker)
	_, reads := t.ResponseWriter.(io.ReaderFrom)
	if hijacks && reads {
		return connTeller{t}
	}
	return t
}

type connTeller struct{ *teller }

func (t connTeller) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return t.ResponseWriter.(http.Hijacker).Hijack()
}

func (t connTeller) ReadFrom(r io.Reader) (int64, error) {
	t.tell(http.StatusOK)
	return t.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
}

// loadOf reads the report from the headers of an answer.
func loadOf(h http.Header) lb.Load { return load.OfHeader(h[load.Header]) }
