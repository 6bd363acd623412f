package zookeeper_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
	"github.com/adsum-go/adsum/zookeeper"
)

func TestConformance(t *testing.T) {
	adsumtest.Conformance(t, harness(t, "ZooKeeper 3.9.5", start(t, servers.ZooKeeperOptions{})))
}

func TestConformanceOfThreeMembers(t *testing.T) {
	adsumtest.Conformance(t, harness(t, "ZooKeeper 3.9.5, three members", start(t, servers.ZooKeeperOptions{Members: 3})))
}

func harness(t *testing.T, name string, srv *servers.ZooKeeper) adsumtest.Harness {
	return adsumtest.Harness{
		Registry: name,
		Open:     zookeeper.Open,
		URL: func(base string, endpoints ...string) string {
			return fmt.Sprintf("zk://%s/%s?heartbeat=2s&timeout=3s&dial-timeout=1s", strings.Join(endpoints, ","), base)
		},
		Endpoints: srv.Addrs(),
		Server:    srv,
		NotApplicable: map[int]string{
			19: "ZooKeeper keeps no history: watches list again",
			35: "sessions go by the servers' clocks, and claims by the transaction number",
		},
		Malform: func(ctx context.Context, base, service string) error {
			_, err := admin(t, srv).Create("/"+base+"/"+service+"/broken", []byte("{\"address\":\x1b"), 0, zk.WorldACL(zk.PermAll))
			return err
		},
		Backup: func() (func() error, error) {
			copied, err := srv.Backup()
			return func() error { return srv.Restore(copied) }, err
		},
		ExpireLease: func(ctx context.Context, base, service, id string) error {
			return expire(t, srv, "/"+base+"/"+service+"/"+id)
		},
		DeleteRecord: func(ctx context.Context, base, service, id string) error {
			return admin(t, srv).Delete("/"+base+"/"+service+"/"+id, -1)
		},
		Denied: func(t testing.TB, base string) adsum.Registry {
			root := admin(t, srv, "root:secret")
			if _, err := root.Create("/"+base, nil, 0, zk.AuthACL(zk.PermAll)); err != nil {
				t.Fatal(err)
			}
			return openURL(t, "zk://stranger:secret@"+srv.Addr()+"/"+base)
		},
		Credentials: func(t testing.TB, base string) adsumtest.Credentials {
			root := admin(t, srv, "root:secret")
			mayRoot, mayKeeper := zk.DigestACL(zk.PermAll, "root", "secret"), zk.DigestACL(zk.PermAll, "keeper", "secret")
			grant := func(acl []zk.ACL) {
				setACLs(t, root, "/"+base, acl)
			}
			return adsumtest.Credentials{
				Registry: openURL(t, "zk://keeper:secret@"+srv.Addr()+"/"+base,
					fmt.Sprintf("acl=digest:%s:cdrwa,digest:%s:cdrwa", mayRoot[0].ID, mayKeeper[0].ID)),
				Revoke:  func() { grant(mayRoot) },
				Restore: func() { grant(append(mayKeeper, mayRoot...)) },
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
