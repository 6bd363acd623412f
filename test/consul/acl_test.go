package consul_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
)

// root is the token that may do everything.
const root = "11111111-2222-3333-4444-555555555555"

// keeperToken is that of a program that may do what the driver needs.
const keeperToken = "22222222-3333-4444-5555-666666666666"

// keeperRules are the rights that docs/consul.md asks for.
const keeperRules = `
service_prefix "" { policy = "write" }
node_prefix "" { policy = "read" }
key_prefix "adsum/v1/" { policy = "write" }
`

// guarded is a Consul with access control.
type guarded struct {
	t     testing.TB
	srv   *servers.Consul
	admin *api.Client
}

func newGuarded(t testing.TB) *guarded {
	t.Helper()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true, ManagementToken: root})
	return &guarded{t, srv, admin(t, srv.Addr(), root)}
}

// grant makes a token with these rights.
func (g *guarded) grant(token, rules string) {
	g.t.Helper()
	write := (&api.WriteOptions{}).WithContext(soon(g.t))
	policy, _, err := g.admin.ACL().PolicyCreate(&api.ACLPolicy{Name: "policy-" + token, Rules: rules}, write)
	if err != nil {
		g.t.Fatal(err)
	}
	g.issue(token, policy.ID)
}

func (g *guarded) issue(token, policy string) {
	g.t.Helper()
	write := (&api.WriteOptions{}).WithContext(soon(g.t))
	if _, _, err := g.admin.ACL().TokenCreate(&api.ACLToken{SecretID: token, AccessorID: token, Policies: []*api.ACLLink{{ID: policy}}}, write); err != nil {
		g.t.Fatal(err)
	}
}

// policy finds the policy of a token.
func (g *guarded) policy(token string) string {
	g.t.Helper()
	p, _, err := g.admin.ACL().PolicyReadByName("policy-"+token, (&api.QueryOptions{}).WithContext(soon(g.t)))
	if err != nil || p == nil {
		g.t.Fatalf("%v, %v", p, err)
	}
	return p.ID
}

func (g *guarded) revoke(token string) {
	g.t.Helper()
	if _, err := g.admin.ACL().TokenDelete(token, (&api.WriteOptions{}).WithContext(soon(g.t))); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guarded) open(options ...string) adsum.Registry {
	g.t.Helper()
	return open(g.t, g.srv.Addrs(), options...)
}

func TestReadingWithoutATokenIsNoEmptySuccess(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.grant(keeperToken, keeperRules)
	keep(t, g.open("token="+keeperToken), book(1))
	emitted := func(adsum.Listing) { t.Error("emitted") }
	r := g.open()
	if err := r.Watch(soon(t), "book", emitted); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("without a token: %v", err)
	}
	if err := r.(adsum.ServiceWatcher).WatchServices(soon(t), func([]string) { t.Error("emitted") }); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("services without a token: %v", err)
	}
	if err := g.open("token="+root+"x").Watch(soon(t), "book", emitted); !errors.Is(err, adsum.ErrDenied) || strings.Contains(err.Error(), root) {
		t.Errorf("with a wrong token: %v", err)
	}
	g.grant("33333333-3333-4444-5555-666666666666", `service_prefix "" { policy = "read" }`)
	if err := g.open("token=33333333-3333-4444-5555-666666666666").Watch(soon(t), "book", emitted); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("without the right to nodes: %v", err)
	}
}

func TestTheRightsThatTheDocumentationAsksForAreEnough(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	open := func(digit, rules string) adsum.Registry {
		t.Helper()
		token := strings.Repeat(digit, 8) + "-3333-4444-5555-666666666666"
		g.grant(token, rules)
		return g.open("token=" + token)
	}
	const nodes = ` node_prefix "" { policy = "read" } `
	keeper := open("3", `service "book" { policy = "write" }`+nodes+`key_prefix "adsum/v1/book/" { policy = "read" }`)
	caller := open("4", `service_prefix "" { policy = "read" }`+nodes+`key_prefix "adsum/v1/" { policy = "read" }`)
	operator := open("5", `service "book" { policy = "write" }`+nodes+`key_prefix "adsum/v1/" { policy = "write" }`).(adsum.Overrider)
	reg := keep(t, keeper, book(1))
	view := look(t, caller, "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	if err := operator.Override(soon(t), "book", "10.0.0.1:1", adsum.Override{Status: adsum.Draining, Weight: 3}); err != nil {
		t.Error(err)
	}
	sees(t, view, "it draining", is("10.0.0.1:1", adsum.Draining))
	eventually(t, "the weight obeyed", func() bool {
		s, _, err := g.admin.Agent().Service("book:10.0.0.1:1", nil)
		return err == nil && s.Weights.Passing == 3
	})
	if err := operator.Override(soon(t), "book", "10.0.0.1:1", adsum.Override{}); err != nil {
		t.Error(err)
	}
	sees(t, view, "it passing", is("10.0.0.1:1", adsum.Passing))
	if state := reg.State(); state.Lost > 0 {
		t.Errorf("lost %d times, last by %v", state.Lost, state.LastError)
	}

	if err := caller.(adsum.Overrider).Override(soon(t), "book", "10.0.0.1:1", adsum.Override{Weight: 2}); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("override without the right: %v", err)
	}
	if _, err := caller.Register(soon(t), book(2), adsum.RegisterOptions{TTL: ttl}); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("register without the right: %v", err)
	}
	unknowing := open("6", `service_prefix "" { policy = "read" }`+nodes)
	sees(t, look(t, unknowing, "book"), "it without the right to overrides", has("10.0.0.1:1"))
}

func TestTokenFilesMayBeRotated(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.grant(keeperToken, keeperRules)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(keeperToken)
	r := g.open("token-file=" + file)
	reg := keep(t, r, book(1))
	view := look(t, r, "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	policy := g.policy(keeperToken)
	g.revoke(keeperToken)
	if err := reg.SetStatus(adsum.Warning, "denied for now"); err != nil {
		t.Fatal(err)
	}
	becomes(t, reg, "denied", func(s adsum.RegistrationState) bool { return errors.Is(s.LastError, adsum.ErrDenied) })
	const second = "44444444-3333-4444-5555-666666666666"
	g.issue(second, policy)
	write(second)
	sees(t, view, "the update", is("10.0.0.1:1", adsum.Warning))
}
