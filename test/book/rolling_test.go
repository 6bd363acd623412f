//go:build unix

package book_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/go-kit/kit/endpoint"
	kitgrpc "github.com/go-kit/kit/transport/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/test/servers"
)

func TestARollingRestartOfAllCopiesFailsNoCall(t *testing.T) {
	etcd := servers.StartEtcd(t, servers.EtcdOptions{})
	for _, transport := range []struct {
		kind, service string
		dial          dial
	}{
		{"grpc", "book", dialGRPC},
		{"http", "book-http", dialHTTP},
		{"kit", "book", dialKit},
	} {
		t.Run(transport.kind, func(t *testing.T) {
			t.Parallel()
			const copies = 3
			registry := "etcd://" + etcd.Addr() + "/" + transport.kind
			var running []*process
			for range copies {
				running = append(running, startServer(t, registry, transport.kind))
			}
			c := startCalling(t, registry, transport.service, transport.dial)
			c.await(copies, recovery)
			for _, old := range running {
				old.ask()
				<-old.ended
				startServer(t, registry, transport.kind)
				c.await(copies, recovery)
			}
			c.report("each of three copies restarted")
		})
	}
}

func dialHTTP(t *testing.T, dir *adsum.Directory) call {
	transport := adsumhttp.NewTransport(dir)
	t.Cleanup(func() { transport.Close() })
	web := &http.Client{Transport: transport}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://book-http/info/1", nil)
		if err != nil {
			return err
		}
		resp, err := web.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", resp.Status)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
}

func dialKit(t *testing.T, dir *adsum.Directory) call {
	instancer, err := adsumkit.NewInstancer(dir, "book")
	if err != nil {
		t.Fatal(err)
	}
	endpointer := adsumkit.NewEndpointer(instancer, kitFactory)
	t.Cleanup(func() {
		endpointer.Close()
		instancer.Stop()
	})
	balancer := adsumkit.NewBalancer(endpointer, lb.RoundRobin, adsumkit.WithResult(adsumgrpc.Result))
	request := adsumkit.Retry(3, 3*time.Second, balancer, adsumkit.Idempotent(), adsumkit.WithJudge(adsumgrpc.Verdict))
	return func(ctx context.Context) error {
		_, err := request(ctx, &bookpb.BookInfoParams{BookId: 1})
		return err
	}
}

func kitFactory(addr string) (endpoint.Endpoint, io.Closer, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	asItIs := func(_ context.Context, message any) (any, error) { return message, nil }
	return kitgrpc.NewClient(conn, "book.BookService", "GetBookInfo", asItIs, asItIs, bookpb.BookInfo{}).Endpoint(), conn, nil
}
