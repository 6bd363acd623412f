package titles

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-kit/kit/endpoint"
	kithttp "github.com/go-kit/kit/transport/http"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

// Client asks the copies that carry a tag and pass their check, in turn.
type Client struct {
	instancer  *adsumkit.Instancer
	endpointer *adsumkit.Endpointer
	title      endpoint.Endpoint
}

// NewClient makes a client of the copies with the tag ("" for all). It waits a
// few seconds for the registry at most, and comes up without it.
func NewClient(dir *adsum.Directory, tag string) (*Client, error) {
	var options []adsumkit.InstancerOption
	if tag != "" {
		options = append(options, adsumkit.WithTags(tag))
	}
	instancer, err := adsumkit.NewInstancer(dir, Service, options...)
	if err != nil {
		return nil, err
	}
	endpointer := adsumkit.NewEndpointer(instancer, newTitleEndpoint)
	balancer := adsumkit.NewBalancer(endpointer, lb.RoundRobin)
	return &Client{
		instancer: instancer, endpointer: endpointer,
		title: adsumkit.Retry(3, 3*time.Second, balancer, adsumkit.Idempotent()),
	}, nil
}

// Title asks one copy, and another when that one fails.
func (c *Client) Title(ctx context.Context, book int) (Response, error) {
	answer, err := c.title(ctx, Request{book})
	if err != nil {
		return Response{}, err
	}
	return answer.(Response), nil
}

// Close ends the client.
func (c *Client) Close() {
	c.endpointer.Close()
	c.instancer.Stop()
}

// newTitleEndpoint is an sd.Factory, as with go-kit's own packages: it makes
// the endpoint of one copy.
func newTitleEndpoint(addr string) (endpoint.Endpoint, io.Closer, error) {
	target := &url.URL{Scheme: "http", Host: addr, Path: "/title"}
	return kithttp.NewClient(http.MethodPost, target, kithttp.EncodeJSONRequest, decodeResponse).Endpoint(), nil, nil
}

func decodeResponse(_ context.Context, r *http.Response) (any, error) {
	if r.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
		return nil, &answerError{r.Status, string(text)}
	}
	var response Response
	err := json.NewDecoder(r.Body).Decode(&response)
	return response, err
}

// answerError is an answer that is none.
type answerError struct{ status, text string }

func (e *answerError) Error() string { return e.status + ": " + e.text }
