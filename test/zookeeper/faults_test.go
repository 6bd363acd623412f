package zookeeper_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

// long is the TTL of registrations that must not simply run out in a test.
const long = 40 * time.Second

func keepLong(t testing.TB, r adsum.Registry, in adsum.Instance) *adsum.Registration {
	t.Helper()
	reg, err := adsum.Register(r, in, adsum.WithTTL(long), adsum.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = reg.Close(ctx) // the server may be gone on purpose
	})
	registered(t, reg)
	return reg
}

func TestWipeIsNoticedLongBeforeTheSessionWouldRunOut(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	reg := keepLong(t, open(t, srv), book(1))
	began := time.Now()
	if err := srv.Wipe(); err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return s.Lost > 0 && s.Registered }); err != nil {
		t.Fatal(err)
	}
	t.Logf("registered again %v after the wipe, with sessions of %v", time.Since(began).Round(time.Millisecond), long)
}

func TestSessionThatIsCutOffIsLostInItsTime(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	proxy := adsumtest.NewProxy(t, srv.Addr())
	r := openURL(t, "zk://"+proxy.Addr()+"/services")
	l := lease(t, r, book(1), adsum.Claim{Owner: "o"})
	proxy.Down()
	began := time.Now()
	lost(t, l, adsum.ErrLeaseLost)
	if took := time.Since(began); took < ttl-time.Second || took > ttl+2*time.Second {
		t.Errorf("lost %v after the cut, with sessions of %v", took, ttl)
	}
	eventually(t, "gone at the server", func() bool { return len(nodesUnder(t, admin(t, srv), "/services/book")) == 0 })
	if err := proxy.Up(); err != nil {
		t.Fatal(err)
	}
	lease(t, r, book(1), l.Claim())
}

func TestRecordsDoNotBlinkWhenTheServersWereAwayForLongerThanASession(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	reg := keep(t, open(t, srv), book(1))
	created := func() int64 {
		_, stat, err := admin(t, srv).Get("/services/book/10.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		return stat.Czxid
	}
	before := created()
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return s.Lost == 1 }); err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	registered(t, reg)
	if after := created(); after != before {
		t.Errorf("the node was created anew at %x, was %x", after, before)
	}
}

func TestWithdrawalThatCouldNotBeMadeIsMadeLater(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	proxy := adsumtest.NewProxy(t, srv.Addr())
	r := openURL(t, "zk://"+proxy.Addr()+"/services")
	stays := keepLong(t, r, book(1))
	goes, err := r.Register(soon(t), book(2), adsum.RegisterOptions{TTL: long, Claim: adsum.Claim{Owner: "goes"}})
	if err != nil {
		t.Fatal(err)
	}
	proxy.Down()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := goes.Close(ctx); err == nil {
		t.Fatal("close without a connection claims to have withdrawn")
	}
	if err := proxy.Up(); err != nil {
		t.Fatal(err)
	}
	c := admin(t, srv)
	eventually(t, "withdrawn, while the session that kept it lives", func() bool {
		found := nodesUnder(t, c, "/services/book")
		_, is := found["10.0.0.1:1"]
		return is && len(found) == 1
	})
	if state := stays.State(); state.Lost > 0 {
		t.Errorf("its neighbour was lost: %v", state.LastError)
	}
}

func TestSessionExpiredByTheServerTakesAllItsLeases(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	r := open(t, srv)
	one, two := keepLong(t, r, book(1)), keepLong(t, r, book(2))
	if err := expire(t, srv, "/services/book/10.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	for _, reg := range []*adsum.Registration{one, two} {
		if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return s.Lost == 1 && s.Registered }); err != nil {
			t.Fatal(err)
		}
	}
	sees(t, look(t, open(t, srv), "book"), "both", has("10.0.0.1:1", "10.0.0.1:2"))
}

func TestLosingTheLeaderLosesNothing(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{Members: 3})
	r := open(t, srv)
	reg := keepLong(t, r, book(1))
	view := look(t, open(t, srv), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	leader, err := srv.Leader()
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	keepLong(t, r, book(2))
	sees(t, view, "what came since", has("10.0.0.1:1", "10.0.0.1:2"))
	t.Logf("another registration was seen %v after the leader died", time.Since(began).Round(time.Millisecond))
	if state := reg.State(); state.Lost > 0 {
		t.Errorf("lost: %v", state.LastError)
	}
}

func TestServerThatFreezesIsLeftForAnother(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{Members: 3})
	var proxies []*adsumtest.Proxy
	var addrs []string
	for _, addr := range srv.Addrs() {
		p := adsumtest.NewProxy(t, addr)
		proxies, addrs = append(proxies, p), append(addrs, p.Addr())
	}
	r := openURL(t, "zk://"+strings.Join(addrs, ",")+"/services")
	view := look(t, r, "book")
	sees(t, view, "nobody", has())
	for _, p := range proxies {
		if p.Accepted() > 0 {
			p.Hang()
		}
	}
	began := time.Now()
	keepLong(t, open(t, srv), book(1))
	sees(t, view, "what came since", has("10.0.0.1:1"))
	if took := time.Since(began); took > 10*time.Second { // two thirds of the session, as the library does it
		t.Errorf("it took %v to leave a frozen server", took)
	}
}
