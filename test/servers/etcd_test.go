//go:build unix

package servers_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

// etcdCall posts body to etcd's JSON gateway.
func etcdCall(ctx context.Context, client *http.Client, url, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return answer, err
}

// etcdStore reads and writes one key.
func etcdStore(base string, client *http.Client) store {
	return store{
		write: func(ctx context.Context) error {
			_, err := etcdCall(ctx, client, base+"/v3/kv/put", `{"key":"aw==","value":"dg=="}`)
			return err
		},
		read: func(ctx context.Context) (bool, error) {
			answer, err := etcdCall(ctx, client, base+"/v3/kv/range", `{"key":"aw=="}`)
			if err != nil {
				return false, err
			}
			var list struct{ Kvs []any }
			err = json.Unmarshal(answer, &list)
			return len(list.Kvs) == 1, err
		},
	}
}

func TestEtcdGoesThroughEveryFault(t *testing.T) {
	t.Parallel()
	etcd := servers.StartEtcd(t, servers.EtcdOptions{})
	checkFaults(t, etcd, etcdStore(etcd.Endpoints()[0], plainClient))
}

func TestThreeEtcdMembersGoThroughEveryFault(t *testing.T) {
	t.Parallel()
	etcd := servers.StartEtcd(t, servers.EtcdOptions{Members: 3})
	checkFaults(t, etcd, etcdStore(etcd.Endpoints()[2], plainClient))
}

func TestEtcdClusterLivesOnWithoutOneMember(t *testing.T) {
	t.Parallel()
	etcd := servers.StartEtcd(t, servers.EtcdOptions{Members: 3})
	s := etcdStore(etcd.Endpoints()[0], plainClient)
	etcd.Member(2).Kill()
	s.mustWrite(t)
	etcd.Member(1).Freeze()
	s.mustNotAnswer(t)
	etcd.Member(2).Start()
	s.mustHold(t, true)
}

func TestEtcdGoesBackToAnOlderSnapshot(t *testing.T) {
	t.Parallel()
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d members", members), func(t *testing.T) {
			t.Parallel()
			etcd := servers.StartEtcd(t, servers.EtcdOptions{Members: members})
			s := etcdStore(etcd.Endpoints()[0], plainClient)
			snapshot, err := etcd.Backup()
			if err != nil {
				t.Fatal(err)
			}
			s.mustWrite(t)
			etcd.Restore(snapshot)
			s.mustHold(t, false)
		})
	}
}

func TestEtcdClusterElectsAnotherLeader(t *testing.T) {
	t.Parallel()
	etcd := servers.StartEtcd(t, servers.EtcdOptions{Members: 3})
	leader, err := etcd.Leader()
	if err != nil {
		t.Fatal(err)
	}
	leader.Kill()
	next, err := etcd.Leader()
	if err != nil {
		t.Fatal(err)
	}
	etcdStore("http://"+next.Addr(), plainClient).mustWrite(t)
}

func TestEtcdWithTLSDemandsAClientCertificate(t *testing.T) {
	t.Parallel()
	ca := certs.NewAuthority(t)
	pair := ca.Server(t)
	etcd := servers.StartEtcd(t, servers.EtcdOptions{
		TLS: &servers.TLS{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File},
	})
	client := tlsClient(&tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Client(t, "client").Load(t)}})
	s := etcdStore(etcd.Endpoints()[0], client)
	s.mustWrite(t)
	etcdStore(etcd.Endpoints()[0], tlsClient(&tls.Config{RootCAs: ca.Pool()})).mustNotAnswer(t)

	snapshot, err := etcd.Backup()
	if err != nil {
		t.Fatal(err)
	}
	etcd.Wipe()
	s.mustHold(t, false)
	etcd.Restore(snapshot)
	s.mustHold(t, true)
}

func TestEtcdWithAuthenticationIsBackedUpAndRestored(t *testing.T) {
	t.Parallel()
	etcd := servers.StartEtcd(t, servers.EtcdOptions{User: "root", Password: "pw"})
	s := etcdStore(etcd.Endpoints()[0], plainClient)
	s.mustWrite(t)
	for _, call := range []struct{ path, body string }{
		{"/v3/auth/user/add", `{"name":"root","password":"pw"}`},
		{"/v3/auth/role/add", `{"name":"root"}`},
		{"/v3/auth/user/grant", `{"user":"root","role":"root"}`},
		{"/v3/auth/enable", `{}`},
	} {
		if _, err := etcdCall(t.Context(), plainClient, etcd.Endpoints()[0]+call.path, call.body); err != nil {
			t.Fatalf("%s: %v", call.path, err)
		}
	}
	s.mustNotAnswer(t)
	snapshot, err := etcd.Backup()
	if err != nil {
		t.Fatal(err)
	}
	etcd.Wipe()
	s.mustHold(t, false)
	etcd.Restore(snapshot)
	s.mustNotAnswer(t)
}
