//go:build unix

package servers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// probeClient leaves no connection behind: the server may be killed next, and
// idle connections have goroutines that a leak check would see.
var probeClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// listens is nil when addr takes connections.
func listens(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// httpOK is nil when GET url answers 200.
func httpOK(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	_, err = httpDo(probeClient, request)
	return err
}

// httpDo is the body of an answer with status 200; any other is an error.
func httpDo(client *http.Client, request *http.Request) ([]byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &statusError{code: response.StatusCode, text: fmt.Sprintf("%s %s: %s: %s",
			request.Method, request.URL.Redacted(), response.Status, body)}
	}
	return body, nil
}

// statusError is an HTTP answer other than 200.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }
