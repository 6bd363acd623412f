package caller

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lb"
)

// maxBody is how much of an answer over HTTP is kept; the rest is read and
// forgotten.
const maxBody = 16 << 20

type httpCaller struct {
	Config
	transport *adsumhttp.Transport
	request   *http.Request
}

// HTTP makes a caller of one path. method "" is GET, or POST with a body.
func HTTP(dir *adsum.Directory, config Config, method, path string) (Caller, error) {
	request, err := config.newRequest(method, path)
	if err != nil {
		return nil, err
	}
	options := []adsumhttp.Option{adsumhttp.WithObserver(config.Observer)}
	if config.Live != nil {
		options = append(options, adsumhttp.WithConfig(config.Live))
	} else {
		options = append(options, adsumhttp.WithPolicy(config.Policy), adsumhttp.WithRetry(config.Retry), adsumhttp.WithHedge(config.Hedge))
	}
	if config.TLS != nil {
		options = append(options, adsumhttp.WithTLSConfig(config.TLS))
	}
	if config.ServerName != "" {
		options = append(options, adsumhttp.WithServerName(func(string) string { return config.ServerName }))
	}
	return &httpCaller{config, adsumhttp.NewTransport(dir, options...), request}, nil
}

// newRequest makes the request that every call sends a copy of.
func (c *Config) newRequest(method, path string) (*http.Request, error) {
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	if method == "" {
		method = http.MethodGet
		if len(c.Body) > 0 {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequest(method, scheme+"://"+c.Service+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := eachHeader(c.Headers, request.Header.Add); err != nil {
		return nil, err
	}
	// net/http sends it from here only.
	request.Host = cmp.Or(request.Header.Get("Host"), request.Host)
	request.Header.Del("Host")
	return request, nil
}

// Connect does nothing: connections are made as requests need them.
func (c *httpCaller) Connect(context.Context) error { return nil }

func (c *httpCaller) Close() error { return c.transport.Close() }

// Call does not follow redirects: they are the answer.
func (c *httpCaller) Call(ctx context.Context) Answer {
	start := time.Now()
	answer := c.send(ctx)
	answer.Took = time.Since(start)
	return answer
}

func (c *httpCaller) send(ctx context.Context) Answer {
	request := c.request.Clone(c.context(ctx))
	if c.Idempotent && request.Header.Get("Idempotency-Key") == "" {
		request.Header.Set("Idempotency-Key", rand.Text())
	}
	if len(c.Body) > 0 {
		request.ContentLength = int64(len(c.Body))
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.Body)), nil }
		request.Body, _ = request.GetBody()
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return Answer{Err: err, Copy: lastTried(err)}
	}
	defer response.Body.Close()
	answer := Answer{Status: strconv.Itoa(response.StatusCode)}
	if ep := adsumhttp.EndpointOf(response); ep != nil {
		answer.Copy = *ep.Instance()
	}
	body, err := c.read(response.Body)
	if !c.Discard && len(body) > 0 {
		answer.Messages = [][]byte{body}
	}
	switch {
	case err != nil:
		answer.Err = fmt.Errorf("the answer broke off: %w", err)
	case response.StatusCode >= http.StatusBadRequest:
		answer.Err = fmt.Errorf("HTTP %s", response.Status)
	}
	return answer
}

// read reads the body to its end, so that the connection can be used again.
func (c *httpCaller) read(body io.Reader) ([]byte, error) {
	var kept bytes.Buffer
	if !c.Discard {
		if _, err := io.CopyN(&kept, body, maxBody); err != nil {
			if err == io.EOF {
				err = nil
			}
			return kept.Bytes(), err
		}
	}
	_, err := io.Copy(io.Discard, body)
	return kept.Bytes(), err
}

// lastTried is the copy that the last try of a failed request went to.
func lastTried(err error) adsum.Instance {
	var tries *lb.TriesError
	if errors.As(err, &tries) {
		if ep := tries.Tries[len(tries.Tries)-1].Endpoint; ep != nil {
			return *ep.Instance()
		}
	}
	return adsum.Instance{}
}
