// Package certs makes certificates for tests of TLS: an authority of the
// test's own, and certificates that are right, or wrong in one way.
//
//	ca := certs.NewAuthority(t)
//	good := ca.Server(t)                     // 127.0.0.1, ::1, localhost
//	wrongName := ca.Server(t, "elsewhere.test")
//	expired := ca.Issue(t, certs.Leaf{Hosts: certs.Loopback, NotAfter: time.Now().Add(-time.Hour)})
//	wrongCA := certs.NewAuthority(t).Server(t)
//	client := ca.Client(t, "alice")
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Loopback are the names under which a test reaches its own servers.
var Loopback = []string{"127.0.0.1", "::1", "localhost"}

// validity is how long a certificate is good unless its Leaf says otherwise,
// and how far in the past all begin, so that a clock may jump a little.
const validity = 24 * time.Hour

// Authority signs certificates.
type Authority struct {
	// File holds the authority's own certificate, in PEM.
	File string

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate with its key, in files.
type Pair struct {
	CertFile string // PEM
	KeyFile  string // PEM, PKCS#8
}

// Leaf describes a certificate to issue.
type Leaf struct {
	// Name is the subject's common name, which etcd takes for the user.
	Name string
	// Hosts are the IP addresses and DNS names that it is good for; a client
	// needs none.
	Hosts []string
	// NotAfter is when it expires; zero means in 24 hours.
	NotAfter time.Time
}

// NewAuthority makes an authority whose files live as long as the test.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber:          serial(t),
		Subject:               pkix.Name{CommonName: "test authority " + t.Name()},
		NotBefore:             time.Now().Add(-validity),
		NotAfter:              time.Now().Add(validity),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der := sign(t, template, template, key, key)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{dir: t.TempDir(), cert: cert, key: key}
	a.File = filepath.Join(a.dir, "ca.pem")
	writePEM(t, a.File, "CERTIFICATE", der)
	return a
}

// Pool holds the authority alone, for tls.Config.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Server issues a certificate for the hosts, for [Loopback] when none is named.
func (a *Authority) Server(t testing.TB, hosts ...string) Pair {
	t.Helper()
	if len(hosts) == 0 {
		hosts = Loopback
	}
	return a.Issue(t, Leaf{Name: hosts[0], Hosts: hosts})
}

// Client issues a certificate that names its holder.
func (a *Authority) Client(t testing.TB, name string) Pair {
	t.Helper()
	return a.Issue(t, Leaf{Name: name})
}

// Issue issues the certificate that leaf describes, in files of its own. It
// serves servers and clients alike: etcd's gateway calls itself with the
// certificate that it shows to others.
func (a *Authority) Issue(t testing.TB, leaf Leaf) Pair {
	t.Helper()
	dir, err := os.MkdirTemp(a.dir, "pair")
	if err != nil {
		t.Fatal(err)
	}
	pair := Pair{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	a.Renew(t, pair, leaf)
	return pair
}

// Renew puts a newly issued certificate and key in the place of pair's files,
// each replaced in one step, as a rotation does.
func (a *Authority) Renew(t testing.TB, pair Pair, leaf Leaf) {
	t.Helper()
	if leaf.NotAfter.IsZero() {
		leaf.NotAfter = time.Now().Add(validity)
	}
	template := &x509.Certificate{
		SerialNumber: serial(t),
		Subject:      pkix.Name{CommonName: leaf.Name},
		NotBefore:    time.Now().Add(-2 * validity),
		NotAfter:     leaf.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range leaf.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	key := newKey(t)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, pair.KeyFile, "PRIVATE KEY", keyDER)
	writePEM(t, pair.CertFile, "CERTIFICATE", sign(t, template, a.cert, key, a.key))
}

// Load reads the pair for use in a tls.Config.
func (p Pair) Load(t testing.TB) tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// serial is a random serial number of 120 bits: clients may refuse a second
// certificate of one issuer and serial.
func serial(t testing.TB) *big.Int {
	t.Helper()
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func sign(t testing.TB, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// writePEM replaces path in one step: a reader sees the old or the new.
func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	fresh := path + ".new"
	if err := os.WriteFile(fresh, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}
