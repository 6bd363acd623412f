package adsumhttp

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// DeadlineHeader tells a server how many milliseconds its caller still waits for
// the whole answer. It is Envoy's, which sends it and can be told to respect it;
// HTTP has no standard one. A time that is left needs no clocks that agree.
const DeadlineHeader = "X-Envoy-Expected-Rq-Timeout-Ms"

// maxDeadline is the longest time that a header is believed to mean.
const maxDeadline = 24 * time.Hour

// SendDeadline sets [DeadlineHeader] to what is left until ctx ends, unless the
// header names less already; without a deadline it does nothing. A [Transport]
// does this by itself; it is for other clients, such as go-kit's.
func SendDeadline(ctx context.Context, header http.Header) {
	deadline, limited := ctx.Deadline()
	if !limited {
		return
	}
	left := max(time.Until(deadline), time.Millisecond) // 0 would be no limit
	if said, ok := deadlineIn(header); ok && said <= left {
		return
	}
	header.Set(DeadlineHeader, strconv.FormatInt(left.Milliseconds(), 10))
}

// DeadlineHandler gives every request a context that ends when its caller no
// longer waits, by [DeadlineHeader], or when limit is over, whichever comes first;
// 0 is no limit. A header can only shorten: what is no number of milliseconds up to
// a day, or is 0, is ignored. What to answer is next's to decide, as it is when a
// caller goes away. [Serve] does this by itself, without a limit.
func DeadlineHandler(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		left, ok := deadlineIn(r.Header)
		if limit > 0 && (!ok || limit < left) {
			left, ok = limit, true
		}
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), left)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// deadlineIn reads the header, and reports false for one that says nothing.
func deadlineIn(header http.Header) (time.Duration, bool) {
	values := header[DeadlineHeader]
	if len(values) != 1 {
		return 0, false
	}
	ms, err := strconv.ParseUint(values[0], 10, 32)
	left := time.Duration(ms) * time.Millisecond
	if err != nil || left == 0 || left > maxDeadline {
		return 0, false
	}
	return left, true
}
