package zookeeper_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

// startTLS starts a ZooKeeper that demands mutual TLS.
func startTLS(t testing.TB) (*servers.ZooKeeper, *certs.Authority) {
	t.Helper()
	ca := certs.NewAuthority(t)
	pair := ca.Server(t)
	return start(t, servers.ZooKeeperOptions{TLS: &servers.TLS{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File}}), ca
}

// openTLS has time for the first handshakes of a server that has just started.
func openTLS(t testing.TB, srv *servers.ZooKeeper, options ...string) adsum.Registry {
	t.Helper()
	return openURL(t, "zk://"+srv.Addr()+"/services", append(options, "tls=true", "timeout=15s", "dial-timeout=15s")...)
}

func TestCertificatesThatDoNotVerifyAreUntrusted(t *testing.T) {
	t.Parallel()
	srv, ca := startTLS(t)
	client, stranger := ca.Client(t, "alice"), certs.NewAuthority(t).Client(t, "mallory")
	expired := ca.Issue(t, certs.Leaf{Name: "alice", NotAfter: time.Now().Add(-time.Hour)})
	pair := func(p certs.Pair) []string { return []string{"cert-file=" + p.CertFile, "key-file=" + p.KeyFile} }
	trusted := "ca-file=" + ca.File
	for name, options := range map[string][]string{
		"wrong authority":        append(pair(client), "ca-file="+certs.NewAuthority(t).File),
		"system's authorities":   pair(client),
		"wrong name":             append(pair(client), trusted, "server-name=elsewhere.test"),
		"no certificate of ours": {trusted},
		"certificate unknown":    append(pair(stranger), trusted),
		"certificate expired":    append(pair(expired), trusted),
		"authority file missing": append(pair(client), "ca-file=/nowhere/ca.pem"),
	} {
		r := openTLS(t, srv, options...)
		if err := r.Watch(soon(t), "book", func(adsum.Listing) { t.Errorf("%s: emitted", name) }); !errors.Is(err, adsum.ErrUntrusted) {
			t.Errorf("%s: watch: %v", name, err)
		}
		if _, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl}); !errors.Is(err, adsum.ErrUntrusted) {
			t.Errorf("%s: register: %v", name, err)
		}
	}
	r := openTLS(t, srv, append(pair(client), trusted)...)
	keep(t, r, book(1))
	sees(t, look(t, r, "book"), "it", has("10.0.0.1:1"))
}

func TestRotatedCertificatesCountWithoutARestart(t *testing.T) {
	t.Parallel()
	srv, ca := startTLS(t)
	client := certs.NewAuthority(t).Client(t, "mallory")
	r := openTLS(t, srv, "ca-file="+ca.File, "cert-file="+client.CertFile, "key-file="+client.KeyFile)
	reg, err := adsum.Register(r, book(1), adsum.WithTTL(ttl), adsum.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reg.Close(t.Context()) })
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return errors.Is(s.LastError, adsum.ErrUntrusted) }); err != nil {
		t.Fatal(err)
	}
	good := ca.Client(t, "alice")
	for from, to := range map[string]string{good.CertFile: client.CertFile, good.KeyFile: client.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	registered(t, reg)
}
