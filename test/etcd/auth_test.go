package etcd_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/test/servers"
)

// guarded is an etcd with authentication switched on.
type guarded struct {
	t    testing.TB
	srv  *servers.Etcd
	root *clientv3.Client
}

func newGuarded(t testing.TB) *guarded {
	t.Helper()
	g := &guarded{t: t, srv: servers.StartEtcd(t, servers.EtcdOptions{})}
	g.guard()
	return g
}

// guard switches authentication on.
func (g *guarded) guard() {
	g.t.Helper()
	plain := admin(g.t, g.srv)
	ctx := soon(g.t)
	g.do(plain.UserAdd(ctx, "root", "rootsecret"))
	g.do(plain.RoleAdd(ctx, "root"))
	g.do(plain.UserGrantRole(ctx, "root", "root"))
	g.do(plain.AuthEnable(ctx))
	root, err := clientv3.New(clientv3.Config{Endpoints: g.srv.Addrs(), Username: "root", Password: "rootsecret", DialTimeout: patience, Logger: zap.NewNop()})
	if err != nil {
		g.t.Fatal(err)
	}
	g.root = root
	g.t.Cleanup(func() { _ = root.Close() })
}

// do checks one administrative request.
func (g *guarded) do(_ any, err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// user adds one who may read and write below the prefixes, by a role of the
// same name.
func (g *guarded) user(name, password string, prefixes ...string) {
	g.t.Helper()
	g.do(g.root.UserAdd(soon(g.t), name, password))
	g.do(g.root.RoleAdd(soon(g.t), name))
	for _, prefix := range prefixes {
		g.do(g.root.RoleGrantPermission(soon(g.t), name, prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite)))
	}
	g.do(g.root.UserGrantRole(soon(g.t), name, name))
}

func (g *guarded) open(base, user, password string, options ...string) adsum.Registry {
	g.t.Helper()
	return openURL(g.t, "etcd://"+user+":"+password+"@"+g.srv.Addr()+base, options...)
}

func TestWrongPasswordIsDeniedAndNotShown(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.user("keeper", "right", "/services/", "/adsum/v1/services/")
	r := g.open("/services", "keeper", "wrong-secret")
	err := r.Watch(soon(t), "book", func(adsum.Listing) { t.Error("emitted") })
	if !errors.Is(err, adsum.ErrDenied) || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("watch: %v", err)
	}
	if _, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl}); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("register: %v", err)
	}
	anonymous := openURL(t, "etcd://"+g.srv.Addr()+"/services")
	if err := anonymous.Watch(soon(t), "book", nil); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("without a user: %v", err)
	}
}

func TestPasswordFileIsReadAgainWhenThePasswordChanged(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.user("keeper", "first", "/services/", "/adsum/v1/services/")
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	r := openURL(t, "etcd://"+g.srv.Addr()+"/services", "user=keeper", "password-file="+file)
	reg := keep(t, r, book(1))
	view := look(t, r, "book")
	sees(t, view, "it", has("10.0.0.1:1"))

	g.do(g.root.UserChangePassword(soon(t), "keeper", "second"))
	if err := reg.SetStatus(adsum.Warning, "denied for now"); err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return errors.Is(s.LastError, adsum.ErrDenied) }); err != nil {
		t.Fatal(err)
	}
	write("second")
	sees(t, view, "the update", func(s *adsum.Snapshot) bool {
		in, ok := s.Get("10.0.0.1:1")
		return ok && in.Status == adsum.Warning
	})
}

func TestAuthenticationMayBeSwitchedOnAndOff(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r := openURL(t, "etcd://keeper:secret@"+srv.Addr()+"/services")
	reg := keep(t, r, book(1)) // a user is named, and nobody asks
	view := look(t, r, "book")
	update := func(version string) {
		t.Helper()
		if err := reg.Update(func(in *adsum.Instance) { in.Version = version }); err != nil {
			t.Fatal(err)
		}
		sees(t, view, version, func(s *adsum.Snapshot) bool {
			in, ok := s.Get("10.0.0.1:1")
			return ok && in.Version == version && !s.Stale()
		})
	}
	g := &guarded{t: t, srv: srv}
	g.guard()
	g.user("keeper", "secret", "/services/", "/adsum/v1/services/")
	update("guarded")
	g.do(g.root.AuthDisable(soon(t)))
	update("open")

	g.srv.Wipe() // tokens of before mean nothing now
	update("wiped")
	again := &guarded{t: t, srv: srv}
	again.guard()
	again.user("keeper", "secret", "/services/", "/adsum/v1/services/")
	update("guarded again")
}

func TestWithoutTheRightToThePrivatePartThePublicPartWorks(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.user("half", "secret", "/services/")
	for _, format := range []string{"naming", "addr"} {
		r := g.open("/services", "half", "secret", "codec="+format)
		in := book(1)
		in.Service = format
		reg := keep(t, r, in)
		view := look(t, r, format)
		sees(t, view, "it", has("10.0.0.1:1"))
		if err := reg.SetStatus(adsum.Critical, "broken"); err != nil {
			t.Fatal(err)
		}
		sees(t, view, "it withdrawn, as it cannot be hidden", has())
		if err := reg.SetStatus(adsum.Passing, ""); err != nil {
			t.Fatal(err)
		}
		sees(t, view, "it back", has("10.0.0.1:1"))
		if state := reg.State(); state.Lost != 0 {
			t.Errorf("%s: lost %d times: %v", format, state.Lost, state.LastError)
		}
	}
	if err := g.open("/services", "half", "secret").(adsum.Overrider).Override(soon(t), "naming", "x", adsum.Override{Weight: 2}); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("override: %v", err)
	}
}

func TestNewRefusesAFormatThatIsNotEtcds(t *testing.T) {
	t.Parallel()
	c := admin(t, servers.StartEtcd(t, servers.EtcdOptions{}))
	if _, err := etcd.New(c, etcd.Options{Format: "curator"}); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}
