package consul_test

import (
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
