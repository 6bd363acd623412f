//go:build unix

package book_test

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
)

// paceVariable, when set to "own", makes the outages as long as issues of the
// real world are, with the TTL and the timers that people run: make outages.
const paceVariable = "ADSUM_PACE"

func chosenPace() pace {
	if os.Getenv(paceVariable) == "own" {
		return pace{ttl: adsum.DefaultTTL, freeze: 30 * time.Second, own: true}
	}
	return quick
}

// outage is a registry, copies of the book service and clients, to which bad
// things happen.
type outage struct {
	t *testing.T
	product
	pace
	limit   time.Duration // of everything
	url     string
	clients []*client
}

func newOutage(t *testing.T, p product, pace pace, addrs ...string) *outage {
	o := &outage{t: t, product: p, pace: pace, url: p.url(pace, addrs...)}
	detection, bounded := openURL(t, o.url).Capabilities().Detection(pace.ttl)
	if !bounded {
		t.Fatal("a crash would never show")
	}
	o.limit = detection + 15*time.Second
	return o
}

func (o *outage) copy(kind, url string) *process {
	return startServer(o.t, url, kind, "--ttl", o.ttl.String())
}

func (o *outage) client(name, url, cache string) *client {
	c := startClient(o.t, name, url, cache)
	o.clients = append(o.clients, c)
	return c
}

// report tells what came of one thing that happened.
func (o *outage) report(what, measured string, args ...any) {
	o.t.Helper()
	calls := 0
	for _, c := range o.clients {
		calls += c.report(what)
	}
	o.t.Logf("%-9s | %-28s | %5d calls | "+measured, append([]any{o.name, what, calls}, args...)...)
}

// finish ends the clients, and then all the copies at once.
func (o *outage) finish(copies ...*process) {
	var all sync.WaitGroup
	for _, c := range o.clients {
		all.Go(c.end)
	}
	all.Wait()
	for _, s := range copies {
		s.ask()
	}
}

func TestNoCallFailsWhateverHappensToCopiesAndRegistry(t *testing.T) {
	onEachProduct(t, func(t *testing.T, p product) {
		server := p.start(t, chosenPace())
		o := newOutage(t, p, chosenPace(), server.Addr())
		line := adsumtest.NewProxy(t, server.Addr()) // of one copy and one client
		far := p.url(o.pace, line.Addr())

		victim, leaver := o.copy("grpc", o.url), o.copy("kit", o.url)
		stays, remote := o.copy("grpc", o.url), o.copy("kit", far)
		defer o.finish(stays, remote)
		cache := t.TempDir()
		near, away := o.client("near", o.url, cache), o.client("behind the line", far, t.TempDir())
		near.await(4, o.limit)
		away.await(4, o.limit)

		victim.Process.Signal(syscall.SIGKILL)
		o.report("a copy killed", "off the list after %.1f s", near.await(3, o.limit).Seconds())

		leaver.ask()
		gone := near.await(2, o.limit).Seconds()
		<-leaver.ended
		o.report("a copy stopped", "off the list after %.1f s", gone)

		server.Freeze()
		thaw := time.After(o.freeze)
		late := o.client("started while frozen", o.url, cache)
		noticed := near.awaitState("the freeze", o.limit, (*adsum.Snapshot).Stale).Seconds()
		<-thaw
		o.report("registry frozen", "for %s, stale after %.1f s", o.freeze, noticed)
		server.Thaw()
		o.measure("registry thawed", 2, near, away, late)

		server.Wipe()
		o.measure("killed, restarted empty", 2, near, away, late)

		line.Hang()
		cut := time.Now()
		gone = near.await(1, o.limit).Seconds()
		away.awaitState("the cut", o.limit, (*adsum.Snapshot).Stale)
		o.report("copy and client cut off", "for %.1f s, off others' lists after %.1f s", time.Since(cut).Seconds(), gone)
		line.Resume()
		o.measure("line mended", 2, near, away, late)
	})
}

func TestNoCallFailsWhenTheLeaderOfSeveralServersIsKilled(t *testing.T) {
	onEachProduct(t, func(t *testing.T, p product) {
		servers := p.startSeveral(t, chosenPace())
		o := newOutage(t, p, chosenPace(), servers.addrs...)
		one, two := o.copy("grpc", o.url), o.copy("kit", o.url)
		c := o.client("client", o.url, t.TempDir())
		c.await(2, o.limit)
		if err := servers.lose(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		three := o.copy("grpc", o.url)
		defer o.finish(one, two, three)
		registered := time.Since(began)
		c.await(3, o.limit)
		seen := time.Since(began)
		<-time.After(o.ttl) // what was not renewed shows by then
		c.await(3, o.limit)
		o.report("leader killed", "another copy registered after %.1f s, seen after %.1f s", registered.Seconds(), seen.Seconds())
	})
}

// measure tells when the copies are registered again and when all clients have
// seen it.
func (o *outage) measure(what string, copies int, clients ...*client) {
	o.t.Helper()
	began := time.Now()
	o.registered(copies)
	registered := time.Since(began)
	for _, c := range clients {
		c.await(copies, o.limit)
	}
	o.report(what, "registered after %.1f s, seen after %.1f s", registered.Seconds(), time.Since(began).Seconds())
}

// registered waits until the registry itself, asked by a client of its own,
// holds so many copies that may be called.
func (o *outage) registered(copies int) {
	o.t.Helper()
	registry := openURL(o.t, o.url)
	ctx, cancel := context.WithTimeout(o.t.Context(), o.limit)
	defer cancel()
	var err error
	for enough := false; !enough; {
		asked, done := context.WithCancel(ctx)
		err = registry.Watch(asked, "book", func(l adsum.Listing) {
			if len((&adsum.Snapshot{Instances: l.Instances}).Select("", true)) == copies {
				enough = true
				done()
			}
		})
		done()
		if ctx.Err() != nil {
			o.t.Fatalf("not registered again within %s: %v", o.limit, err)
		}
	}
}
