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
	"time"

	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

// managementToken is the token that may do everything where ACLs are on.
const managementToken = "11111111-2222-3333-4444-555555555555"

// consulStore reads and writes one key.
func consulStore(base string, client *http.Client, token string) store {
	call := func(ctx context.Context, method string) (int, error) {
		request, err := http.NewRequestWithContext(ctx, method, base+"/v1/kv/k", strings.NewReader("v"))
		if err != nil {
			return 0, err
		}
		request.Header.Set("X-Consul-Token", token)
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
			err = fmt.Errorf("%s: %s", response.Status, body)
		}
		return response.StatusCode, err
	}
	return store{
		write: func(ctx context.Context) error {
			_, err := call(ctx, http.MethodPut)
			return err
		},
		read: func(ctx context.Context) (bool, error) {
			code, err := call(ctx, http.MethodGet)
			return code == http.StatusOK, err
		},
	}
}

func TestConsulGoesThroughEveryFault(t *testing.T) {
	t.Parallel()
	consul := servers.StartConsul(t, servers.ConsulOptions{})
	checkFaults(t, consul, consulStore("http://"+consul.Addr(), plainClient, ""))
}

func TestConsulInMemoryForgetsWhenItIsKilled(t *testing.T) {
	t.Parallel()
	consul := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	s := consulStore("http://"+consul.Addr(), plainClient, "")
	s.forgets = true
	checkFaults(t, consul, s)
}

func TestConsulServersElectAnotherLeader(t *testing.T) {
	t.Parallel()
	consul := servers.StartConsul(t, servers.ConsulOptions{Servers: 3})
	leader, err := consul.Leader()
	if err != nil {
		t.Fatal(err)
	}
	leader.Kill()
	next, err := consul.Leader()
	if err != nil {
		t.Fatal(err)
	}
	consulStore("http://"+next.Addr(), plainClient, "").mustWrite(t)
	leader.Start()
	consulStore("http://"+leader.Addr(), plainClient, "").mustHold(t, true)
}

func TestConsulClientAgentAnswersAgainAfterItsServerWasAway(t *testing.T) {
	t.Parallel()
	consul := servers.StartConsul(t, servers.ConsulOptions{Clients: 1})
	s := consulStore("http://"+consul.Client(0).Addr(), plainClient, "")
	s.mustWrite(t)
	consul.Server(0).Kill()
	s.mustNotAnswer(t)
	consul.Server(0).Start()
	consul.Rejoin()
	s.mustWrite(t)
	s.mustHold(t, true)
}

func TestConsulWithACLsDeniesStrangers(t *testing.T) {
	t.Parallel()
	consul := servers.StartConsul(t, servers.ConsulOptions{
		Dev: true, Clients: 1, ManagementToken: managementToken,
	})
	for _, node := range consul.Members() {
		base := "http://" + node.Addr()
		consulStore(base, plainClient, managementToken).mustWrite(t)
		stranger := consulStore(base, plainClient, "")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := stranger.write(ctx); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("a write without a token at %s: %v, want 403", node.Name(), err)
		}
	}
}

func TestConsulReadsItsCertificateAgainWhenToldTo(t *testing.T) {
	t.Parallel()
	ca := certs.NewAuthority(t)
	pair := ca.Server(t)
	consul := servers.StartConsul(t, servers.ConsulOptions{
		Dev: true, TLS: &servers.TLS{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File},
	})
	config := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Client(t, "client").Load(t)}}
	s := consulStore("https://"+consul.Addr(), tlsClient(config), "")
	s.mustWrite(t)
	consulStore("https://"+consul.Addr(), tlsClient(&tls.Config{RootCAs: ca.Pool()}), "").mustNotAnswer(t)

	ca.Renew(t, pair, certs.Leaf{Name: "renewed", Hosts: certs.Loopback})
	consul.Reload()
	await(t, "the renewed certificate", func() bool { return subject(consul.Addr(), config) == "renewed" })
}

func TestConsulTakesFurtherConfiguration(t *testing.T) {
	t.Parallel()
	consul := servers.StartConsul(t, servers.ConsulOptions{Dev: true, Config: map[string]any{"datacenter": "elsewhere"}})
	response, err := plainClient.Get("http://" + consul.Addr() + "/v1/agent/self")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var self struct{ Config struct{ Datacenter string } }
	if err := json.NewDecoder(response.Body).Decode(&self); err != nil {
		t.Fatal(err)
	}
	if self.Config.Datacenter != "elsewhere" {
		t.Fatalf("datacentre %q, want elsewhere", self.Config.Datacenter)
	}
}
