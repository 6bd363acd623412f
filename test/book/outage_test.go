//go:build unix

package book_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/test/servers"
)

// recovery is how long after an outage everything may take to be as before:
// the TTL of the servers, and some seconds.
const recovery = adsum.DefaultTTL + 5*time.Second

// client calls a service in a loop, as four callers.
type client struct {
	t    *testing.T
	dir  *adsum.Directory
	view *adsum.View
	call call
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

func startClient(t *testing.T, registryURL, cache string) *client {
	t.Helper()
	return startCalling(t, registryURL, "book", dialGRPC, adsum.WithCache(cache))
}

func startCalling(t *testing.T, registryURL, service string, dial dial, options ...adsum.DirectoryOption) *client {
	t.Helper()
	registry, err := etcd.Open(registryURL)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t}
	c.dir = adsum.NewDirectory(registry, append(options, adsum.WithLogger(slog.New(slog.DiscardHandler)))...)
	t.Cleanup(func() {
		c.dir.Close()
		registry.Close()
	})
	if c.view, err = c.dir.Open(service); err != nil {
		t.Fatal(err)
	}
	c.call = dial(t, c.dir)
	ctx, stop := context.WithCancel(t.Context())
	for range 4 {
		c.done.Go(func() { c.loop(ctx) })
	}
	t.Cleanup(func() {
		stop()
		c.done.Wait()
		c.view.Close()
	})
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

func (c *client) loop(ctx context.Context) {
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := c.call(calling)
		cancel()
		c.mu.Lock()
		c.total++
		if err != nil {
			c.failed = append(c.failed, fmt.Errorf("%s: %w", time.Now().Format("05.000"), err))
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// report fails the test if a call failed since the last report.
func (c *client) report(after string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t.Logf("%s: %d calls, %d failed", after, c.total, len(c.failed))
	if c.total == 0 {
		c.t.Errorf("%s: no call was made", after)
	}
	if len(c.failed) > 0 {
		c.t.Errorf("%s: %d of %d calls failed, the first: %v", after, len(c.failed), c.total, c.failed[0])
	}
	c.total, c.failed = 0, nil
}

// await waits until the client sees so many copies, of a registry that
// confirms them.
func (c *client) await(copies int, limit time.Duration) time.Duration {
	c.t.Helper()
	began := time.Now()
	timeout := time.After(limit)
	for {
		changed := c.view.Changed()
		s := c.view.Snapshot()
		if len(s.Instances) == copies && !s.Stale() {
			return time.Since(began)
		}
		select {
		case <-changed:
		case <-timeout:
			c.t.Fatalf("%d copies after %s, want %d; stale %v, last error %v", len(s.Instances), limit, copies, s.Stale(), s.Err)
		}
	}
}

func TestNoCallFailsWhateverHappensToCopiesAndRegistry(t *testing.T) {
	server := servers.StartEtcd(t, servers.EtcdOptions{})
	url := "etcd://" + server.Addr() + "/services"
	victim := startServer(t, url, "grpc")
	leaver := startServer(t, url, "kit")
	startServer(t, url, "grpc")
	startServer(t, url, "kit")
	cache := t.TempDir()
	c := startClient(t, url, cache)
	c.await(4, recovery)

	victim.Process.Signal(syscall.SIGKILL)
	t.Logf("killed copy off the list after %s", c.await(3, recovery))
	c.report("a copy killed by SIGKILL")

	leaver.Process.Signal(syscall.SIGTERM)
	t.Logf("stopped copy off the list after %s", c.await(2, recovery))
	<-leaver.ended
	c.report("a copy stopped by SIGTERM")

	server.Freeze()
	frozen := time.After(30 * time.Second)
	late := startClient(t, url, cache)
	<-frozen
	c.report("etcd frozen for 30 s")
	late.report("etcd frozen before the client started")
	server.Thaw()
	t.Logf("confirmed %s after the freeze", c.await(2, recovery))
	c.report("etcd going on")
	late.report("etcd going on, client started from disk")

	server.Wipe()
	began := time.Now()
	registered(t, url, 2)
	t.Logf("registered again %s after etcd came back empty", time.Since(began))
	c.await(2, recovery)
	late.await(2, recovery)
	c.report("etcd killed and restarted empty")
	late.report("etcd killed and restarted empty, client started from disk")
}

// registered waits until the registry itself, asked by a client of its own,
// holds so many copies.
func registered(t *testing.T, url string, copies int) {
	t.Helper()
	registry, err := etcd.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	ctx, cancel := context.WithTimeout(t.Context(), recovery)
	defer cancel()
	enough := false
	for !enough {
		asked, done := context.WithCancel(ctx)
		err = registry.Watch(asked, "book", func(l adsum.Listing) {
			if len(l.Instances) == copies {
				enough = true
				done()
			}
		})
		done()
		if ctx.Err() != nil {
			t.Fatalf("not registered again within %s: %v", recovery, err)
		}
	}
}
