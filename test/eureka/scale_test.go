package eureka_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/test/servers"
)

// counting counts what arrives over the connections of a transport.
type counting struct {
	net.Conn
	read *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func TestFiveThousandInstancesOfOneServiceAreFollowed(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{})
	const all = 5000
	fill(t, rawEureka{srv.URLs()[0]}, all)

	var received atomic.Int64
	transport := http.DefaultTransport.(*http.Transport).Clone()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return counting{conn, &received}, err
	}
	// Such a list is work for a server that has just started: one that is asked
	// without a pause has no time for registrations.
	r, err := eureka.New(srv.URLs(), eureka.Options{Poll: 3 * time.Second, Timeout: patience, ServerCache: -1, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	t.Cleanup(transport.CloseIdleConnections)
	started := time.Now()
	view := look(t, r, "book")
	sees(t, view, "all", func(s *adsum.Snapshot) bool { return len(s.Instances) == all && len(s.Skipped) == 0 })
	t.Logf("first snapshot of %d instances: %v, %d KiB on the wire", all, time.Since(started), received.Load()>>10)
	keep(t, open(t, srv), book(9)) // without waiting for the list, if that takes long
	sees(t, view, "one more", func(s *adsum.Snapshot) bool { return len(s.Instances) == all+1 })
}

// fill registers instances as a foreign program does.
func fill(t *testing.T, raw rawEureka, count int) {
	t.Helper()
	ctx := soon(t)
	var workers sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		workers.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := next.Add(1); n <= int64(count); n = next.Add(1) {
				body := fmt.Sprintf(`{"instance":{"instanceId":"h%d:book:80","hostName":"10.1.%d.%d","app":"BOOK","ipAddr":"10.1.%d.%d","vipAddress":"book","status":"UP",
					"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"port":{"$":80,"@enabled":"true"},
					"leaseInfo":{"durationInSecs":600},"metadata":{"zone":"eu-1a","version":"1.2.3"}}}`, n, n/250, n%250+1, n/250, n%250+1)
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, raw.base+"/apps/BOOK", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Content-Type", "application/json")
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				response.Body.Close()
			}
		})
	}
	workers.Wait()
}
