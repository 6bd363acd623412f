//go:build unix

package servers

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// probeClient leaves no connection behind: the server may be killed next, and
// idle connections have goroutines that a leak check would see.
var probeClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// httpOK is nil when GET url answers 200.
func httpOK(ctx context.Context, url string) error {
	_, err := httpBody(ctx, url)
	return err
}

// httpBody is the body that GET url answers with status 200.
func httpBody(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := probeClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s: %s", url, response.Status, body)
	}
	return body, nil
}
