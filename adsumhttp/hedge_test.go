package adsumhttp_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lb"
)

// hasty is a hedge that takes calls of that kind for answered within
// milliseconds.
func hasty(kind string) *lb.Hedge {
	h := &lb.Hedge{Budget: &lb.Budget{Ratio: 10}}
	k := h.For(kind, nil)
	for range 100 {
		k.Observe(5 * time.Millisecond)
	}
	return h
}

// slowFirst answers every second request only when its caller has given it up.
func slowFirst(n *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if n.Add(1)%2 == 1 {
			<-r.Context().Done()
			return
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Write(body)
	}
}

func TestABodyIsSentTwiceAtOnceIfItCanBeHadAgain(t *testing.T) {
	f := newFleet(t)
	var n atomic.Int64
	f.start("book", slowFirst(&n))
	f.start("book", slowFirst(&n))
	f.see("book", 2)
	hedge := hasty("PUT http://book")
	transport := f.transport(adsumhttp.WithHedge(hedge))
	text := strings.Repeat("a body ", 1000)
	for range 5 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://book/", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Changed", "no")
		if status, body := do(t, transport, req); status != http.StatusOK || body != text {
			t.Errorf("status %d, %d bytes", status, len(body))
		}
		req.Header.Set("X-Changed", "the request is the caller's again")
	}
	if s := hedge.Stats(); s.Sent != 5 {
		t.Errorf("%+v", s)
	}
}

func TestABodyThatCannotBeHadAgainIsSentOnce(t *testing.T) {
	f := newFleet(t)
	var n atomic.Int64
	for range 2 {
		f.start("book", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			n.Add(1)
			select {
			case <-time.After(30 * time.Millisecond):
			case <-r.Context().Done():
			}
		})
	}
	f.see("book", 2)
	hedge := hasty("PUT http://book")
	transport := f.transport(adsumhttp.WithHedge(hedge))
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.GetBody = nil },
		func(r *http.Request) { r.Trailer = http.Header{"Sum": nil} },
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://book/", strings.NewReader("once"))
		if err != nil {
			t.Fatal(err)
		}
		change(req)
		n.Store(0)
		if status, _ := do(t, transport, req); status != http.StatusOK || n.Load() != 1 || hedge.Stats().Sent != 0 {
			t.Errorf("status %d, sent %d times, %+v", status, n.Load(), hedge.Stats())
		}
	}
}

func TestAnAnswerThatStreamsOutlivesTheRace(t *testing.T) {
	f := newFleet(t)
	const calls = 3
	var n atomic.Int64
	var second [calls]chan struct{} // closed when the second request of the call is there
	for i := range second {
		second[i] = make(chan struct{})
	}
	for range 2 {
		f.start("book", func(w http.ResponseWriter, r *http.Request) {
			request := n.Add(1) - 1
			if request%2 == 1 {
				close(second[request/2])
			}
			select {
			case <-second[request/2]:
			case <-r.Context().Done():
				return
			}
			for range 10 {
				io.WriteString(w, "line\n")
				http.NewResponseController(w).Flush()
				select {
				case <-time.After(5 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
		})
	}
	f.see("book", 2)
	hedge := hasty("GET http://book")
	transport := f.transport(adsumhttp.WithHedge(hedge))
	for range calls {
		if status, body := get(t, transport, "http://book/"); status != http.StatusOK || strings.Count(body, "line") != 10 {
			t.Errorf("status %d, body %q", status, body)
		}
	}
	if s := hedge.Stats(); s.Sent != calls {
		t.Errorf("%+v", s)
	}
}
