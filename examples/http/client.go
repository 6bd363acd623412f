package bookhttp

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lb"
)

// Ask makes requests, each of two calls that go to one copy, and prints what
// came of them.
func Ask(ctx context.Context, out io.Writer, registry adsum.Registry, requests int) error {
	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	// To see requests alternate; the default prefers the faster copy.
	transport := adsumhttp.NewTransport(dir, adsumhttp.WithPolicy(lb.RoundRobin))
	defer transport.Close()
	web := &http.Client{Transport: transport}

	for range requests {
		var info bookpb.BookInfo
		var list bookpb.BookList
		pinned := lb.Pin(ctx)
		if _, err := get(pinned, web, "http://"+Service+"/info/1", &info); err != nil {
			return err
		}
		addr, err := get(pinned, web, "http://"+Service+"/list", &list)
		if err != nil {
			return err
		}
		if err := book.Print(out, addr, &info, &list); err != nil {
			return err
		}
	}
	return nil
}

// get asks for a page and tells which copy answered.
func get(ctx context.Context, web *http.Client, url string, message proto.Message) (addr string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := web.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("get %s: %s: %s", url, resp.Status, body)
	}
	return adsumhttp.EndpointOf(resp).Addr(), protojson.Unmarshal(body, message)
}
