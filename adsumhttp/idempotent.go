package adsumhttp

import (
	"cmp"
	"net/http"
	"strconv"
	"time"
)

// idempotent reports whether the request may be sent more than once: its
// method is idempotent (RFC 9110, 9.2.2), or the server tells repetitions by a
// key, as the standard library assumes too.
func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != ""
}

// methodOf is the request's method, by its name.
func methodOf(req *http.Request) string { return cmp.Or(req.Method, http.MethodGet) }

// unavailable reports whether a status says that the copy, or the proxy in
// front of it, could not deal with the request now.
func unavailable(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// maxRetryAfter is the longest Retry-After that a call waits for. A server that
// asks for more is left alone, and the caller is told.
const maxRetryAfter = time.Second

// retryAfter is for how long the server asks to be left alone, 0 if it does
// not, or names a date instead.
func retryAfter(resp *http.Response) time.Duration {
	if ms, err := strconv.ParseUint(resp.Header.Get(retryAfterMs), 10, 32); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// retryAfterMs is the header of a server that tells it in milliseconds, beside
// Retry-After, which has whole seconds.
const retryAfterMs = "Retry-After-Ms"
