package etcd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

func TestConformance(t *testing.T) {
	adsumtest.Conformance(t, harness(t, "etcd 3.7.3", servers.StartEtcd(t, servers.EtcdOptions{})))
}

func TestConformanceOfThreeMembers(t *testing.T) {
	adsumtest.Conformance(t, harness(t, "etcd 3.7.3, three members", servers.StartEtcd(t, servers.EtcdOptions{Members: 3})))
}

func harness(t *testing.T, name string, srv *servers.Etcd) adsumtest.Harness {
	c := admin(t, srv)
	return adsumtest.Harness{
		Registry: name,
		Open:     etcd.Open,
		URL: func(base string, endpoints ...string) string {
			return fmt.Sprintf("etcd://%s/%s?heartbeat=2s&timeout=3s", strings.Join(endpoints, ","), base)
		},
		Endpoints: srv.Addrs(),
		Server:    srv,
		NotApplicable: map[int]string{
			35: "leases and their renewal go by monotonic clocks, and claims by the registry's revision",
		},
		Malform: func(ctx context.Context, base, service string) error {
			_, err := c.Put(ctx, "/"+base+"/"+service+"/broken", "{\"Op\":0,\"Addr\":\x1b")
			return err
		},
		Backup: func() (func() error, error) {
			snapshot, err := srv.Backup()
			return func() error { return srv.Restore(snapshot) }, err
		},
		Compact: func(ctx context.Context) error {
			now, err := c.Get(ctx, "compact", clientv3.WithCountOnly())
			if err == nil {
				_, err = c.Compact(ctx, now.Header.Revision)
			}
			return err
		},
		ExpireLease: func(ctx context.Context, base, service, id string) error {
			record, err := c.Get(ctx, "/"+base+"/"+service+"/"+id)
			if err != nil {
				return err
			}
			if len(record.Kvs) != 1 {
				return fmt.Errorf("%d records of %s/%s", len(record.Kvs), service, id)
			}
			_, err = c.Revoke(ctx, clientv3.LeaseID(record.Kvs[0].Lease))
			return err
		},
		DeleteRecord: func(ctx context.Context, base, service, id string) error {
			_, err := c.Delete(ctx, "/"+base+"/"+service+"/"+id)
			return err
		},
		Denied: func(t testing.TB, base string) adsum.Registry {
			guarded := newGuarded(t)
			guarded.user("stranger", "secret")
			return guarded.open("/"+base, "stranger", "secret")
		},
		Credentials: func(t testing.TB, base string) adsumtest.Credentials {
			guarded := newGuarded(t)
			guarded.user("keeper", "secret", "/"+base+"/", "/adsum/v1/"+base+"/")
			return adsumtest.Credentials{
				Registry: guarded.open("/"+base, "keeper", "secret"),
				Revoke:   func() { guarded.do(guarded.root.UserRevokeRole(soon(t), "keeper", "keeper")) },
				Restore:  func() { guarded.do(guarded.root.UserGrantRole(soon(t), "keeper", "keeper")) },
			}
		},
		TLS: func(t testing.TB, base string) adsumtest.TLSClients {
			srv, ca := startTLS(t)
			client := ca.Client(t, "alice")
			mutual := []string{"cert-file=" + client.CertFile, "key-file=" + client.KeyFile}
			return adsumtest.TLSClients{
				Trusted:        openTLS(t, srv, append(mutual, "ca-file="+ca.File)...),
				WrongAuthority: openTLS(t, srv, append(mutual, "ca-file="+certs.NewAuthority(t).File)...),
				WrongName:      openTLS(t, srv, append(mutual, "ca-file="+ca.File, "server-name=elsewhere.test")...),
				NoCertificate:  openTLS(t, srv, "ca-file="+ca.File),
			}
		},
	}
}
