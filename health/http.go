package health

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// DefaultBodyLimit is how many bytes of a page an [HTTP] check reads.
const DefaultBodyLimit = 64 << 10

// HTTP asks for a page. Only URL is needed. Every probe opens a connection of
// its own, as a new caller would, uses no proxy and follows no redirect: a
// redirect is an answer with a status like any other.
type HTTP struct {
	// URL of the page, http or https.
	URL string
	// Method is GET if empty.
	Method string
	// Header is sent along; a Host header sets the request's host.
	Header http.Header
	// Expect lists the statuses that are well; any from 200 to 299 if empty.
	Expect []int
	// ExpectHeader lists headers the answer must carry with that value.
	ExpectHeader map[string]string
	// ExpectBody is a text that must be within the first BodyLimit bytes.
	ExpectBody string
	// BodyLimit is how much of the page is read, in bytes;
	// [DefaultBodyLimit] if zero.
	BodyLimit int64
	// TLS is for https; the system's trust if nil.
	TLS *tls.Config
}

// String is the URL without user, password and query.
func (h HTTP) String() string {
	u, err := url.Parse(h.URL)
	if err != nil {
		return "http"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Validate refuses what cannot be asked for.
func (h HTTP) Validate() error {
	const fix = "write it like http://127.0.0.1:8080/healthz"
	u, err := url.Parse(h.URL)
	switch {
	case err != nil: // it may hold a password: do not repeat it
		return invalid("URL", "", "it is not well formed", fix)
	case u.Scheme != "http" && u.Scheme != "https":
		return invalid("URL", "", "its scheme is not http or https", fix)
	case u.Host == "":
		return invalid("URL", h.String(), "it has no host", fix)
	case h.BodyLimit < 0:
		return invalid("body limit", fmt.Sprint(h.BodyLimit), "it is negative", "leave it out for the default")
	}
	for _, status := range h.Expect {
		if status < 100 || status > 599 {
			return invalid("expected status", fmt.Sprint(status), "there is no such status", "give one from 100 to 599")
		}
	}
	if _, err := http.NewRequest(h.Method, h.URL, nil); err != nil {
		return invalid("method", h.Method, "it is not a method", "leave it out for GET")
	}
	return nil
}

// Probe asks for the page once.
func (h HTTP) Probe(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, cmp.Or(h.Method, http.MethodGet), h.URL, nil)
	if err != nil {
		return err
	}
	for key, values := range h.Header {
		req.Header[http.CanonicalHeaderKey(key)] = values
	}
	if u := req.URL.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	req.Host = cmp.Or(req.Header.Get("Host"), req.Host)
	req.Header.Set("User-Agent", cmp.Or(req.Header.Get("User-Agent"), "adsum-health"))
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: h.TLS, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	limit := cmp.Or(h.BodyLimit, DefaultBodyLimit)
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	return h.judge(resp, body)
}

func (h HTTP) judge(resp *http.Response, body []byte) error {
	well := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if len(h.Expect) > 0 {
		well = slices.Contains(h.Expect, resp.StatusCode)
	}
	if !well {
		if text := printable(string(body[:min(len(body), 512)]), 120); text != "" {
			return fmt.Errorf("status %s: %s", resp.Status, text)
		}
		return fmt.Errorf("status %s", resp.Status)
	}
	for key, want := range h.ExpectHeader {
		if got := strings.Join(resp.Header.Values(key), ", "); got != want {
			return fmt.Errorf("header %s is %q, not %q", key, got, want)
		}
	}
	if !bytes.Contains(body, []byte(h.ExpectBody)) {
		return fmt.Errorf("the first %d bytes do not contain %q", len(body), h.ExpectBody)
	}
	return nil
}
