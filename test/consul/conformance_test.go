package consul_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

func TestConformance(t *testing.T) {
	srv := servers.StartConsul(t, servers.ConsulOptions{})
	c := admin(t, srv.Addr(), "")
	adsumtest.Conformance(t, adsumtest.Harness{
		Registry: "Consul 1.22.0",
		Open:     consul.Open,
		URL: func(_ string, endpoints ...string) string {
			return fmt.Sprintf("consul://%s?heartbeat=2s&timeout=3s", strings.Join(endpoints, ","))
		},
		Endpoints: srv.Addrs(),
		Server:    srv,
		NotApplicable: map[int]string{
			19: "Consul keeps no history to compact: every answer is the complete set",
			35: "heartbeats and checks go by monotonic clocks, and claims by Consul's index",
		},
		Malform: func(_ context.Context, _, service string) error {
			return c.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: service + "-broken", Name: service}) // no port
		},
		Backup: func() (func() error, error) {
			stream, _, err := c.Snapshot().Save(nil)
			if err != nil {
				return nil, err
			}
			defer stream.Close()
			snapshot, err := io.ReadAll(stream)
			return func() error { return c.Snapshot().Restore(nil, bytes.NewReader(snapshot)) }, err
		},
		ExpireLease: func(ctx context.Context, _, service, id string) error {
			return c.Agent().CheckDeregisterOpts("service:"+service+":"+id, (&api.QueryOptions{}).WithContext(ctx))
		},
		Denied: func(t testing.TB, _ string) adsum.Registry {
			g := newGuarded(t)
			g.grant(keeperToken, `service_prefix "other" { policy = "write" }`)
			return g.open("token=" + keeperToken)
		},
		Credentials: func(t testing.TB, _ string) adsumtest.Credentials {
			g := newGuarded(t)
			g.grant(keeperToken, keeperRules)
			return adsumtest.Credentials{
				Registry: g.open("token=" + keeperToken),
				Revoke:   func() { g.revoke(keeperToken) },
				Restore:  func() { g.issue(keeperToken, g.policy(keeperToken)) },
			}
		},
		TLS: func(t testing.TB, _ string) adsumtest.TLSClients {
			srv, ca := startTLS(t)
			client := ca.Client(t, "alice")
			mutual := []string{"cert-file=" + client.CertFile, "key-file=" + client.KeyFile}
			return adsumtest.TLSClients{
				Trusted:        open(t, srv.Addrs(), append(mutual, "ca-file="+ca.File)...),
				WrongAuthority: open(t, srv.Addrs(), append(mutual, "ca-file="+certs.NewAuthority(t).File)...),
				WrongName:      open(t, srv.Addrs(), append(mutual, "ca-file="+ca.File, "server-name=elsewhere.test")...),
				NoCertificate:  open(t, srv.Addrs(), "ca-file="+ca.File),
			}
		},
		Patience: 30 * time.Second,
	})
}

// startTLS starts a Consul that demands mutual TLS.
func startTLS(t testing.TB) (*servers.Consul, *certs.Authority) {
	t.Helper()
	ca := certs.NewAuthority(t)
	pair := ca.Server(t)
	return servers.StartConsul(t, servers.ConsulOptions{Dev: true,
		TLS: &servers.TLS{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File}}), ca
}
