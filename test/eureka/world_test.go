package eureka_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

func TestMain(m *testing.M) {
	adsumtest.Publisher(eureka.Open)
	adsumtest.VerifyNoLeaks(m)
}

func openURL(t testing.TB, rawURL string) adsum.Registry {
	t.Helper()
	r, err := eureka.Open(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startGuarded starts a server that wants a password.
func startGuarded(t testing.TB) *servers.Eureka {
	return servers.StartEureka(t, servers.EurekaOptions{User: "keeper", Password: "secret"})
}

// startTLS starts a server that wants certificates.
func startTLS(t testing.TB) (*servers.Eureka, *certs.Authority) {
	ca := certs.NewAuthority(t)
	pair, client := ca.Server(t), ca.Client(t, "probe")
	return servers.StartEureka(t, servers.EurekaOptions{TLS: &servers.TLS{
		CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File,
		ClientCertFile: client.CertFile, ClientKeyFile: client.KeyFile,
	}}), ca
}

// rawEureka speaks to a server as a program does that knows nothing of this
// library.
type rawEureka struct{ base string }

func (e rawEureka) post(ctx context.Context, service, body string) error {
	return e.do(ctx, http.MethodPost, "/apps/"+service, body)
}

func (e rawEureka) do(ctx context.Context, method, path, body string) error {
	_, err := e.ask(ctx, method, path, body)
	return err
}

func (e rawEureka) ask(ctx context.Context, method, path, body string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, e.base+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return string(answer), err
}
