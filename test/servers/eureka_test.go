//go:build unix

package servers_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

// eurekaStore reads and writes one registration with the lease's default of
// 90 s. Eureka keeps it in memory.
func eurekaStore(base string, client *http.Client, user *url.Userinfo) store {
	call := func(ctx context.Context, method, path, body string) (int, error) {
		target, err := url.Parse(base + path)
		if err != nil {
			return 0, err
		}
		target.User = user
		request, err := http.NewRequestWithContext(ctx, method, target.String(), strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err == nil && response.StatusCode/100 != 2 && response.StatusCode != http.StatusNotFound {
			err = fmt.Errorf("%s: %s", response.Status, answer)
		}
		return response.StatusCode, err
	}
	const instance = `{"instance": {"instanceId": "k", "app": "BOOK", "hostName": "h", "ipAddr": "127.0.0.1",
		"dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"}}}`
	return store{
		write: func(ctx context.Context) error {
			_, err := call(ctx, http.MethodPost, "/apps/BOOK", instance)
			return err
		},
		read: func(ctx context.Context) (bool, error) {
			code, err := call(ctx, http.MethodGet, "/apps/BOOK/k", "")
			return code == http.StatusOK, err
		},
		forgets: true,
	}
}

func TestEurekaGoesThroughEveryFault(t *testing.T) {
	t.Parallel()
	eureka := servers.StartEureka(t, servers.EurekaOptions{})
	checkFaults(t, eureka, eurekaStore(eureka.URLs()[0], plainClient, nil))
}

func TestEurekaPeersTellEachOther(t *testing.T) {
	t.Parallel()
	eureka := servers.StartEureka(t, servers.EurekaOptions{Members: 2, User: "u", Password: "p"})
	user := url.UserPassword("u", "p")
	eurekaStore(eureka.URLs()[0], plainClient, user).mustWrite(t)
	second := eurekaStore(eureka.URLs()[1], plainClient, user)
	await(t, "the registration at the second peer", func() bool {
		there, err := second.read(t.Context())
		return there && err == nil
	})
}

func TestEurekaRefusesStrangers(t *testing.T) {
	t.Parallel()
	ca := certs.NewAuthority(t)
	pair, client := ca.Server(t), ca.Client(t, "client")
	eureka := servers.StartEureka(t, servers.EurekaOptions{
		User: "u", Password: "p",
		TLS: &servers.TLS{
			CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File,
			ClientCertFile: client.CertFile, ClientKeyFile: client.KeyFile,
		},
	})
	base, user := eureka.URLs()[0], url.UserPassword("u", "p")
	trusting := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{client.Load(t)}}
	s := eurekaStore(base, tlsClient(trusting), user)
	s.mustWrite(t)
	s.mustHold(t, true)
	eurekaStore(base, tlsClient(trusting), url.UserPassword("u", "wrong")).mustNotAnswer(t)
	eurekaStore(base, tlsClient(&tls.Config{RootCAs: ca.Pool()}), user).mustNotAnswer(t)
}

func TestEurekaThatWaitsForPeersTakesRegistrationsMeanwhile(t *testing.T) {
	t.Parallel()
	eureka := servers.StartEureka(t, servers.EurekaOptions{Properties: map[string]string{
		"eureka.instance.registry.default-open-for-traffic-count": "0",
		"eureka.server.wait-time-in-ms-when-sync-empty":           "60000",
	}})
	base := eureka.URLs()[0]
	eurekaStore(base, plainClient, nil).mustWrite(t)
	response, err := plainClient.Get(base + "/apps")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Fatalf("all applications: %s, want 403", response.Status)
	}
}

func TestNetflixEurekaServesUnderV2(t *testing.T) {
	t.Parallel()
	eureka := servers.StartEureka(t, servers.EurekaOptions{Netflix: true})
	base := eureka.URLs()[0]
	if !strings.HasSuffix(base, "/eureka/v2") {
		t.Errorf("base URL %s", base)
	}
	s := eurekaStore(base, plainClient, nil)
	s.mustWrite(t)
	s.mustHold(t, true)
	eureka.Restart()
	s.mustHold(t, false)
}
