package adsumhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumhttp"
)

// left is for how long a handler's context lasts, by the header and the limit.
func left(header http.Header, limit time.Duration) (d time.Duration, ok bool) {
	handler := adsumhttp.DeadlineHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var deadline time.Time
		deadline, ok = r.Context().Deadline()
		d = time.Until(deadline)
	}), limit)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = header
	handler.ServeHTTP(httptest.NewRecorder(), r)
	return d, ok
}

func TestADeadlineCanOnlyBeShortened(t *testing.T) {
	for _, test := range []struct {
		header []string
		limit  time.Duration
		want   time.Duration // 0 for none
	}{
		{nil, 0, 0},
		{nil, time.Second, time.Second},
		{[]string{"250"}, 0, 250 * time.Millisecond},
		{[]string{"250"}, time.Second, 250 * time.Millisecond},
		{[]string{"2500"}, time.Second, time.Second},
		{[]string{"86400000"}, 0, 24 * time.Hour},
		{[]string{"86400001"}, 0, 0},
		{[]string{"99999999999999999999"}, time.Second, time.Second},
		{[]string{"0"}, 0, 0},
		{[]string{"-5"}, time.Second, time.Second},
		{[]string{"5s"}, 0, 0},
		{[]string{"+5"}, 0, 0},
		{[]string{""}, 0, 0},
		{[]string{"250", "9000"}, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			header := http.Header{}
			if test.header != nil {
				header[adsumhttp.DeadlineHeader] = test.header
			}
			if got, ok := left(header, test.limit); ok != (test.want > 0) || ok && got != test.want {
				t.Errorf("%q with limit %v: %v, %v; want %v", test.header, test.limit, got, ok, test.want)
			}
		})
	}
}

func FuzzADeadlineIsBounded(f *testing.F) {
	for _, value := range []string{"1", "250", "0", "-1", "86400000", "1e3", " 5", "4294967296", ""} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := left(http.Header{adsumhttp.DeadlineHeader: {value}}, time.Hour)
		if !ok || got > time.Hour {
			t.Errorf("%q: %v, %v", value, got, ok)
		}
		if got, ok := left(http.Header{adsumhttp.DeadlineHeader: {value}}, 0); ok && got > 24*time.Hour {
			t.Errorf("%q without a limit: %v", value, got)
		}
	})
}

func TestTheDeadlineIsSentUnlessTheRequestNamesALessOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for said, want := range map[string]string{"": "2000", "500": "500", "9000": "2000", "soon": "2000"} {
			header := http.Header{}
			if said != "" {
				header.Set(adsumhttp.DeadlineHeader, said)
			}
			adsumhttp.SendDeadline(ctx, header)
			if got := header.Get(adsumhttp.DeadlineHeader); got != want {
				t.Errorf("%q becomes %q, want %q", said, got, want)
			}
		}
		header := http.Header{}
		adsumhttp.SendDeadline(context.Background(), header)
		if len(header) != 0 {
			t.Errorf("without a deadline: %v", header)
		}
		time.Sleep(3 * time.Second)
		adsumhttp.SendDeadline(ctx, header)
		if got := header.Get(adsumhttp.DeadlineHeader); got != "1" {
			t.Errorf("after its end: %q", got)
		}
	})
}

func TestTheTransportSendsTheCallersDeadlineAndLeavesTheRequestAlone(t *testing.T) {
	f := newFleet(t)
	f.start("book", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get(adsumhttp.DeadlineHeader))
	})
	transport := f.transport()
	if _, said := get(t, transport, "http://book/"); said != "" {
		t.Errorf("without a deadline: %q", said)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://book/", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Own", "1")
	if _, said := do(t, transport, req); len(said) != 5 || said > "60000" {
		t.Errorf("with a minute left: %q", said)
	}
	if len(req.Header) != 1 {
		t.Errorf("the caller's request has now %v", req.Header)
	}
}
