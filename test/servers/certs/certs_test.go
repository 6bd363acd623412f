package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/adsum-go/adsum/test/servers/certs"
)

// serve starts an HTTPS server with the pair. When clients is not nil it
// demands a client certificate of that authority.
func serve(t *testing.T, pair certs.Pair, clients *certs.Authority) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair.Load(t)}}
	if clients != nil {
		server.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		server.TLS.ClientCAs = clients.Pool()
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func get(url string, config *tls.Config) (string, error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestACertificateOfTheAuthorityIsTrusted(t *testing.T) {
	ca := certs.NewAuthority(t)
	if _, err := get(serve(t, ca.Server(t), nil), &tls.Config{RootCAs: ca.Pool()}); err != nil {
		t.Fatal(err)
	}
}

func TestACertificateOfAnotherAuthorityIsNotTrusted(t *testing.T) {
	ca := certs.NewAuthority(t)
	_, err := get(serve(t, certs.NewAuthority(t).Server(t), nil), &tls.Config{RootCAs: ca.Pool()})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Fatalf("error %v, want an unknown authority", err)
	}
}

func TestACertificateForAnotherNameIsRefused(t *testing.T) {
	ca := certs.NewAuthority(t)
	_, err := get(serve(t, ca.Server(t, "elsewhere.test"), nil), &tls.Config{RootCAs: ca.Pool()})
	var wrong x509.HostnameError
	if !errors.As(err, &wrong) {
		t.Fatalf("error %v, want a wrong host name", err)
	}
}

func TestAnExpiredCertificateIsRefused(t *testing.T) {
	ca := certs.NewAuthority(t)
	pair := ca.Issue(t, certs.Leaf{Hosts: certs.Loopback, NotAfter: time.Now().Add(-time.Minute)})
	_, err := get(serve(t, pair, nil), &tls.Config{RootCAs: ca.Pool()})
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Fatalf("error %v, want an expired certificate", err)
	}
}

func TestAClientCertificateNamesItsHolder(t *testing.T) {
	ca := certs.NewAuthority(t)
	url := serve(t, ca.Server(t), ca)
	alice := tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Client(t, "alice").Load(t)}}
	if name, err := get(url, &alice); err != nil || name != "alice" {
		t.Fatalf("the server saw %q, error %v, want alice", name, err)
	}
	if _, err := get(url, &tls.Config{RootCAs: ca.Pool()}); err == nil {
		t.Fatal("served without a client certificate")
	}
}

func TestRenewReplacesTheFiles(t *testing.T) {
	ca := certs.NewAuthority(t)
	pair := ca.Server(t)
	before := pair.Load(t)
	ca.Renew(t, pair, certs.Leaf{Hosts: []string{"renewed.test"}})
	after := pair.Load(t)
	if after.Leaf.Equal(before.Leaf) {
		t.Fatal("the certificate is the same")
	}
	if err := after.Leaf.VerifyHostname("renewed.test"); err != nil {
		t.Fatal(err)
	}
}
