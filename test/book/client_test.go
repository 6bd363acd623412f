//go:build unix

package book_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/examples/book/bookpb"
)

// recovery is how long after an outage of etcd everything may take to be as
// before: the TTL of the servers, and some seconds.
const recovery = adsum.DefaultTTL + 5*time.Second

// client calls a service in a loop, as four callers.
type client struct {
	t    *testing.T
	name string
	dir  *adsum.Directory
	view *adsum.View
	call call
	end  func() // stops calling
	done sync.WaitGroup

	mu     sync.Mutex
	total  int
	failed []error
}

// call makes one call; dial prepares for it, and tidies up at the end of the test.
type (
	call func(context.Context) error
	dial func(*testing.T, *adsum.Directory) call
)

// startClient calls the books over gRPC and go-kit in turn.
func startClient(t *testing.T, name, registryURL, cache string) *client {
	t.Helper()
	c := startCalling(t, registryURL, "book", dialBoth, adsum.WithCache(cache))
	c.name = name
	return c
}

func startCalling(t *testing.T, registryURL, service string, dial dial, options ...adsum.DirectoryOption) *client {
	t.Helper()
	c := &client{t: t, name: "client"}
	c.dir = adsum.NewDirectory(openURL(t, registryURL), append(options, adsum.WithLogger(slog.New(slog.DiscardHandler)))...)
	t.Cleanup(func() { c.dir.Close() })
	view, err := c.dir.Open(service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Close)
	c.view, c.call = view, dial(t, c.dir)
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		c.done.Go(func() { c.loop(ctx) })
	}
	c.end = func() {
		stop()
		c.done.Wait()
	}
	t.Cleanup(c.end)
	return c
}

func dialGRPC(t *testing.T, dir *adsum.Directory) call {
	conn, err := adsumgrpc.NewClient(dir, "book", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	books := bookpb.NewBookServiceClient(conn)
	return func(ctx context.Context) error {
		_, err := books.GetBookInfo(ctx, &bookpb.BookInfoParams{BookId: 1})
		return err
	}
}

func dialBoth(t *testing.T, dir *adsum.Directory) call {
	ways := [...]call{dialGRPC(t, dir), dialKit(t, dir)}
	var turn atomic.Uint64
	return func(ctx context.Context) error { return ways[turn.Add(1)%2](ctx) }
}

// loop calls at a rate that leaves the machine to the registries.
func (c *client) loop(ctx context.Context) {
	pause := time.NewTicker(25 * time.Millisecond)
	defer pause.Stop()
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		began := time.Now()
		err := c.call(calling)
		cancel()
		c.mu.Lock()
		c.total++
		if err != nil {
			c.failed = append(c.failed, fmt.Errorf("%s, after %s: %w", time.Now().Format("05.000"), time.Since(began), err))
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// report fails the test if a call failed since the last report. It waits for one
// to end, as what is reported may have taken less time than a call does.
func (c *client) report(after string) (total int) {
	c.t.Helper()
	for limit := time.Now().Add(10 * time.Second); c.calls() == 0 && time.Now().Before(limit); {
		time.Sleep(10 * time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total == 0 {
		c.t.Errorf("%s, %s: no call was made", c.name, after)
	}
	if len(c.failed) > 0 {
		c.t.Errorf("%s, %s: %d of %d calls failed, the first: %v", c.name, after, len(c.failed), c.total, c.failed[0])
	}
	total = c.total
	c.total, c.failed = 0, nil
	return total
}

// calls is how many ended since the last report.
func (c *client) calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// await waits until the client sees so many copies that may be called, of a
// registry that confirms them.
func (c *client) await(copies int, limit time.Duration) time.Duration {
	c.t.Helper()
	return c.awaitState(fmt.Sprintf("%d copies, confirmed", copies), limit, func(s *adsum.Snapshot) bool {
		return len(s.Select("", true)) == copies && !s.Stale()
	})
}

func (c *client) awaitState(what string, limit time.Duration, ok func(*adsum.Snapshot) bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	timeout := time.After(limit)
	for {
		changed := c.view.Changed()
		s := c.view.Snapshot()
		if ok(s) {
			return time.Since(began)
		}
		select {
		case <-changed:
		case <-timeout:
			c.t.Fatalf("%s never saw %s in %s, but %d; stale %v, last error %v", c.name, what, limit, len(s.Select("", true)), s.Stale(), s.Err)
		}
	}
}
