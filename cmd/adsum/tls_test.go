//go:build unix

package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certificates are PEM files of an authority and of one certificate of it.
type certificates struct{ ca, cert, key string }

func newCertificates(t *testing.T) certificates {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "adsum"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	caFile := write("ca.pem", "CERTIFICATE", caDER, err)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	certFile := write("cert.pem", "CERTIFICATE", leafDER, err)
	keyDER, err := x509.MarshalECPrivateKey(key)
	return certificates{caFile, certFile, write("key.pem", "EC PRIVATE KEY", keyDER, err)}
}

func TestServeAsksClientsForACertificateAndMayThenListenAnywhere(t *testing.T) {
	c := newCertificates(t)
	server := start(t, nil, "serve", "--listen", "0.0.0.0:0", "--cert", c.cert, "--key", c.key, "--client-ca", c.ca)
	announced, err := url.Parse(server.out.await(t, "etcd://"))
	if err != nil || announced.Query().Get("tls") != "true" {
		t.Fatalf("announced %s, %v", announced, err)
	}
	if strings.Contains(server.err.String(), "WARNING") {
		t.Errorf("it warns although clients need a certificate: %s", server.err)
	}
	registry := "etcd://127.0.0.1:" + announced.Port() + "/services?ca-file=" + url.QueryEscape(c.ca)
	with := registry + "&cert-file=" + url.QueryEscape(c.cert) + "&key-file=" + url.QueryEscape(c.key)

	keep := start(t, nil, "register", "--name", "book", "--addr", "127.0.0.1:1", "--registry", with)
	keep.err.await(t, "registered book")
	if code, out, errs := run(t, with, "resolve", "book"); code != 0 || out != "127.0.0.1:1\n" {
		t.Errorf("with a certificate: exit %d, %q, %s", code, out, errs)
	}
	if code, out, errs := run(t, registry, "resolve", "book", "--timeout", "2s"); code == 0 || code == 1 || out != "" {
		t.Errorf("without a certificate: exit %d, %q, %s", code, out, errs)
	}
	began := time.Now()
	server.signal(syscall.SIGTERM)
	if code := server.wait(); code != 0 || time.Since(began) > time.Second {
		t.Errorf("exit %d after %s with a client connected by TLS", code, time.Since(began))
	}
}

func TestServeSaysThatItsDataIsInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	serve(t, "--data", dir)
	began := time.Now()
	code, _, errs := run(t, "", "serve", "--listen", "127.0.0.1:0", "--data", dir)
	if code == 0 || !strings.Contains(errs, "another etcd may be using "+dir) {
		t.Errorf("exit %d after %s: %s", code, time.Since(began), errs)
	}
}
