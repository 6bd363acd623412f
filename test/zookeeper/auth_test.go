package zookeeper_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
)

// guard makes a directory that only this user may look into or add to.
func guard(t testing.TB, srv *servers.ZooKeeper, dir, user, password string) {
	t.Helper()
	if _, err := admin(t, srv).Create(dir, nil, 0, zk.DigestACL(zk.PermAll, user, password)); err != nil {
		t.Fatal(err)
	}
}

func TestWrongPasswordIsDeniedAndNotShown(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	guard(t, srv, "/services", "keeper", "right")
	for name, registry := range map[string]adsum.Registry{
		"wrong password": openURL(t, "zk://keeper:wrong-secret@"+srv.Addr()+"/services"),
		"no user":        open(t, srv),
	} {
		err := registry.Watch(soon(t), "book", func(adsum.Listing) { t.Errorf("%s: emitted", name) })
		if !errors.Is(err, adsum.ErrDenied) || strings.Contains(err.Error(), "wrong-secret") {
			t.Errorf("%s: watch: %v", name, err)
		}
		if _, err := registry.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl}); !errors.Is(err, adsum.ErrDenied) {
			t.Errorf("%s: register: %v", name, err)
		}
		err = registry.(adsum.ServiceWatcher).WatchServices(soon(t), func([]string) { t.Errorf("%s: services emitted", name) })
		if !errors.Is(err, adsum.ErrDenied) {
			t.Errorf("%s: watch services: %v", name, err)
		}
	}
	keep(t, openURL(t, "zk://keeper:right@"+srv.Addr()+"/services"), book(1))
}

func TestPasswordFileIsReadAgainWhenSomethingIsDenied(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	guard(t, srv, "/services", "keeper", "second")
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	r := openURL(t, "zk://"+srv.Addr()+"/services", "user=keeper", "password-file="+file)
	reg, err := adsum.Register(r, book(1), adsum.WithTTL(ttl), adsum.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reg.Close(t.Context()) })
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return errors.Is(s.LastError, adsum.ErrDenied) }); err != nil {
		t.Fatal(err)
	}
	write("second")
	registered(t, reg)
	sees(t, look(t, r, "book"), "it", has("10.0.0.1:1"))
}

func TestRecordsBelongToTheirUserAndOthersMayStandBeside(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	as := func(user string, options ...string) adsum.Registry {
		return openURL(t, fmt.Sprintf("zk://%s:secret@%s/services", user, srv.Addr()), options...)
	}
	keep(t, as("alice", "acl=auth::cdrwa,world:anyone:r"), book(1))
	stranger := open(t, srv)
	sees(t, look(t, stranger, "book"), "what everybody may read", has("10.0.0.1:1"))
	if err := stranger.(adsum.Remover).Remove(soon(t), "book", "10.0.0.1:1"); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("remove: %v", err)
	}
	if _, err := stranger.Register(soon(t), book(2), adsum.RegisterOptions{TTL: ttl}); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("register in another's service: %v", err)
	}
	other := book(3)
	other.Service = "shelf"
	keep(t, as("bob"), other) // alice made the directory above
}

func TestWithoutTheRightToThePrivatePartThePublicOneWorks(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	guard(t, srv, "/adsum", "root", "secret")
	c := admin(t, srv)
	r := open(t, srv)
	in := book(1)
	in.Status = adsum.Draining
	reg := keep(t, r, in)
	view := look(t, open(t, srv), "book")
	sees(t, view, "an empty service", has())
	if err := reg.SetStatus(adsum.Passing, ""); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it", has("10.0.0.1:1"))
	if err := reg.SetStatus(adsum.Critical, "because"); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "withdrawn", has())
	if err := reg.SetStatus(adsum.Passing, ""); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it again", has("10.0.0.1:1"))
	if len(nodesUnder(t, c, "/services/book")) != 1 || reg.State().Lost > 0 {
		t.Errorf("%d records, lost %d times: %v", len(nodesUnder(t, c, "/services/book")), reg.State().Lost, reg.State().LastError)
	}
}

func TestServerThatDemandsAUserIsGivenOne(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{Config: map[string]string{"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest"}})
	// The server says no and hangs up at once: whoever hears only that asks
	// again, as the Directory does.
	anonymous, ctx := open(t, srv), soon(t)
	var err error
	for !errors.Is(err, adsum.ErrDenied) && ctx.Err() == nil {
		err = anonymous.Watch(ctx, "book", func(adsum.Listing) { t.Error("emitted") })
	}
	if !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("without a user: %v", err)
	}
	r := openURL(t, "zk://keeper:secret@"+srv.Addr()+"/services")
	reg := keep(t, r, book(1))
	if err := srv.Restart(); err != nil { // the user is shown again
		t.Fatal(err)
	}
	if err := reg.SetStatus(adsum.Warning, "after the restart"); err != nil {
		t.Fatal(err)
	}
	sees(t, look(t, r, "book"), "the update", func(s *adsum.Snapshot) bool {
		in, ok := s.Get("10.0.0.1:1")
		return ok && in.Status == adsum.Warning
	})
}

func TestNothingLiesOutsideTheChroot(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	c := admin(t, srv)
	r := openURL(t, "zk://"+srv.Addr()+"/services", "chroot=/team/a")
	reg := keep(t, r, book(1))
	if err := r.(adsum.Overrider).Override(soon(t), "book", "10.0.0.1:1", adsum.Override{Status: adsum.Draining}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "hidden", func() bool { return len(nodesUnder(t, c, "/team/a/adsum/v1/records/services/book")) == 1 })
	if len(nodesUnder(t, c, "/team/a/services/book")) != 0 {
		t.Error("foreign readers still see it")
	}
	if err := reg.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	names, _, err := c.Children("/")
	if err != nil || len(names) != 2 { // and ZooKeeper's own
		t.Errorf("at the root: %q, %v", names, err)
	}
}
