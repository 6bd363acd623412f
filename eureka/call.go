package eureka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/adsum-go/adsum"
)

// request is one call of Eureka's REST interface.
type request struct {
	method string
	path   string // below the base, escaped, such as /apps/BOOK
	query  url.Values
	body   []byte
	list   bool // the answer is one that a server withholds while it starts
}

// answer is what a server said. Its status is 200, 204 or 404.
type answer struct {
	from   *server
	status int
	body   []byte
}

func (a answer) missing() bool { return a.status == http.StatusNotFound }

// maxAnswer bounds an answer: some 100 000 instances.
const maxAnswer = 256 << 20

// errCold says that a server does not list anything yet.
var errCold = errors.New("it has just started and waits for its peers: it takes registrations and will list them within 5 minutes (403)")

// call asks the servers one after the other, until one answers.
func (r *Registry) call(ctx context.Context, q request) (answer, error) {
	var failures failures
	for _, s := range r.servers.order() {
		a, err := r.ask(ctx, s, q)
		switch {
		case err == nil, errors.Is(err, adsum.ErrDenied):
			r.servers.note(s, false)
			return a, err
		case ctx.Err() != nil:
			// That the caller gave up does not mean that the server failed.
			return answer{}, errors.Join(append(failures, fmt.Errorf("%s: %w", s, context.Cause(ctx)))...)
		case r.ctx.Err() != nil:
			return answer{}, adsum.ErrClosed
		}
		r.servers.note(s, true)
		failures = append(failures, fmt.Errorf("%s: %w", s, err))
	}
	return answer{}, failures
}

// failures are the errors of several servers, none of which answered.
type failures []error

func (f failures) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (f failures) Unwrap() []error { return f }

// ask makes the request to one server.
func (r *Registry) ask(ctx context.Context, s *server, q request) (answer, error) {
	a, err := r.attempt(ctx, s, q)
	if err != nil {
		return answer{}, err
	}
	switch {
	case a.status == http.StatusOK, a.status == http.StatusNoContent, a.missing():
		return a, nil
	case a.status == http.StatusForbidden && q.list && r.isCold(ctx, s):
		return answer{}, errCold
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return answer{}, fmt.Errorf("%w: %s answers %d: user or password are wrong, or lack the right", adsum.ErrDenied, s, a.status)
	}
	return answer{}, fmt.Errorf("it answers %d %s", a.status, http.StatusText(a.status))
}

// isCold tells why a list is forbidden: single instances are not, while a
// server waits for its peers.
func (r *Registry) isCold(ctx context.Context, s *server) bool {
	a, err := r.attempt(ctx, s, request{method: http.MethodGet, path: "/apps/ADSUM/none"})
	return err == nil && (a.missing() || a.status == http.StatusOK)
}

// attempt makes one HTTP request, which also ends when the registry is closed.
func (r *Registry) attempt(ctx context.Context, s *server, q request) (answer, error) {
	limited, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, fmt.Errorf("no answer within %v", r.opts.Timeout))
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	// The path is escaped already.
	target := s.base.String() + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	httpRequest, err := http.NewRequestWithContext(limited, q.method, target, bytes.NewReader(q.body))
	if err != nil {
		return answer{}, err
	}
	httpRequest.Header.Set("Accept", "application/json")
	httpRequest.Header.Set("User-Agent", "adsum")
	if q.body != nil {
		httpRequest.Header.Set("Content-Type", "application/json")
	}
	if err := r.authorize(httpRequest, s); err != nil {
		return answer{}, err
	}
	response, err := r.client.Do(httpRequest)
	if err != nil {
		return answer{}, reason(limited, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, reason(limited, err)
	}
	if len(body) > maxAnswer {
		return answer{}, fmt.Errorf("it answers with more than %d MiB", maxAnswer>>20)
	}
	return answer{s, response.StatusCode, body}, nil
}

func (r *Registry) authorize(q *http.Request, s *server) error {
	switch {
	case s.user != nil:
		password, _ := s.user.Password()
		q.SetBasicAuth(s.user.Username(), password)
	case r.opts.User != "":
		password := ""
		if r.opts.Password != nil {
			var err error
			if password, err = r.opts.Password(); err != nil {
				return fmt.Errorf("%w: %w", adsum.ErrDenied, err)
			}
		}
		q.SetBasicAuth(r.opts.User, password)
	}
	return nil
}

// reason says why a request failed, without the URL around it.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if isTrust(err) {
		return fmt.Errorf("%w: %w", adsum.ErrUntrusted, err)
	}
	return err
}
