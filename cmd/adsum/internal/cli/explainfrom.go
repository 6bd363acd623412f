package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/adsum-go/adsum/debug"
)

// mostReport is how long an answer of a running client may be.
const mostReport = 64 << 20

// ask reads the picks of a running client.
func (opts *explainOptions) ask(ctx context.Context) ([]explained, error) {
	u, err := fromURL(opts.From)
	if err != nil {
		return nil, usagef("--from: %w", err)
	}
	query := url.Values{"service": {opts.Service}, "n": {strconv.Itoa(opts.Picks)}}
	if opts.Key != "" {
		query.Set("key", opts.Key)
	}
	u.RawQuery = query.Encode()
	report, err := opts.get(ctx, u)
	if err != nil {
		return nil, err
	}
	u.RawQuery = ""
	clients := make([]explained, 0, len(report.Services))
	for _, s := range report.Services {
		clients = append(clients, explained{u.String(), s})
	}
	return clients, nil
}

// fromURL accepts host:port as well, and knows the usual path.
func fromURL(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL; use http://127.0.0.1:PORT" + debug.Path)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("use http://127.0.0.1:PORT" + debug.Path)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = debug.Path
	}
	u.Fragment = ""
	return u, nil
}

func (opts *explainOptions) get(ctx context.Context, u *url.URL) (report debug.Report, err error) {
	ctx, cancel := opts.bounded(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return report, usagef("--from: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	// Never through a proxy: the client answers its own machine only.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return report, opts.unanswered(u, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostReport+1))
	if err != nil {
		return report, opts.unanswered(u, err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return report, codef(exitNotFound, "%s has nothing at %s about %s: %s", u.Host, u.Path, opts.Service, firstLine(body))
	case resp.StatusCode != http.StatusOK:
		return report, codef(exitFailed, "%s answered %s: %s", u.Host, resp.Status, firstLine(body))
	case len(body) > mostReport:
		return report, codef(exitFailed, "%s answered with more than %d bytes", u.Host, mostReport)
	}
	if err := json.Unmarshal(body, &report); err != nil || report.Services == nil {
		return report, codef(exitFailed, "%s does not answer as package debug does; is %s the right path?", u.Host, u.Path)
	}
	return report, nil
}

// unanswered is the failure of a request with the exit code for it.
func (opts *explainOptions) unanswered(u *url.URL, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return codef(exitTimeout, "%s: no answer within %s (--timeout)", u.Host, opts.Timeout)
	}
	return codef(exitConnect, "could not connect to %s: %w\nis the client running, and does it serve %s there?", u.Host, err, u.Path)
}

// firstLine is what an error page says, in short.
func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	const most = 200
	if len(line) > most {
		line = fmt.Sprintf("%.*s…", most, line)
	}
	return line
}
