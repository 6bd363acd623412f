package adsumgrpc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
)

// certificate is a self-signed one for the name, and a pool that trusts it.
func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// startTLS starts a copy whose certificate is for the name, and returns what
// clients trust it by.
func (f *fleet) startTLS(name string) (*copy, grpc.DialOption) {
	f.t.Helper()
	cert, pool := certificate(f.t, name)
	serve := grpc.Creds(credentials.NewServerTLSFromCert(&cert))
	c := f.startOn("127.0.0.1:0", []grpc.ServerOption{serve}, func(in *adsum.Instance) {
		in.Endpoints = map[string]string{"grpcs": in.Addr}
	})
	return c, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool}))
}

func TestTheCertificateIsExpectedToNameTheService(t *testing.T) {
	f := newFleet(t)
	c, trusted := f.startTLS("echo")
	_, client := f.client(trusted)
	if got := look(t, client); got != c.name {
		t.Errorf("answered by %s, want %s", got, c.name)
	}
}

func TestTheAuthorityCanBeSet(t *testing.T) {
	f := newFleet(t)
	c, trusted := f.startTLS("echo.example.com")
	_, client := f.client(trusted, grpc.WithAuthority("echo.example.com"))
	if got := look(t, client); got != c.name {
		t.Errorf("answered by %s, want %s", got, c.name)
	}
}

func TestACertificateForAnotherNameIsRefused(t *testing.T) {
	f := newFleet(t)
	_, trusted := f.startTLS("elsewhere")
	_, client := f.clientAtOnce(f.directory(), trusted)
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if !strings.Contains(err.Error(), "certificate is valid for elsewhere, not echo") {
		t.Errorf("error %q does not name the certificate", err)
	}
}

func TestASecureEndpointIsNeverCalledInClear(t *testing.T) {
	f := newFleet(t)
	c, _ := f.startTLS("echo")
	_, client := f.clientAtOnce(f.directory())
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if !strings.Contains(err.Error(), "only over TLS") || !strings.Contains(err.Error(), c.name) {
		t.Errorf("error %q does not say why", err)
	}
	inTheClear := f.start(1)[0]
	for range 4 {
		reply, err := client.Look(soon(t), &echopb.Request{}, grpc.WaitForReady(true))
		if err != nil || reply.GetServer() != inTheClear.name {
			t.Fatalf("%v, %v, want an answer of %s", reply, err, inTheClear.name)
		}
	}
}

func TestTheSecureEndpointIsPreferredWithTransportSecurity(t *testing.T) {
	f := newFleet(t)
	cert, pool := certificate(t, "echo")
	c := f.startOn("127.0.0.1:0", []grpc.ServerOption{grpc.Creds(credentials.NewServerTLSFromCert(&cert))}, func(in *adsum.Instance) {
		in.Endpoints = map[string]string{"grpcs": in.Addr, "grpc": "127.0.0.1:1"}
	})
	conn, err := adsumgrpc.NewClient(f.directory(), "echo", grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := look(t, echopb.NewEchoClient(conn)); got != c.name {
		t.Errorf("answered by %s, want %s", got, c.name)
	}
}
