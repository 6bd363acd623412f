//go:build unix

package servers_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"
)

// plainClient keeps no connection to a server that is about to be killed.
var plainClient = tlsClient(nil)

func tlsClient(config *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// subject is the common name of the certificate that addr shows.
func subject(addr string, config *tls.Config) string {
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// await looks until what it waits for is there.
func await(t *testing.T, what string, there func() bool) {
	t.Helper()
	timeout := time.NewTimer(10 * time.Second)
	defer timeout.Stop()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for !there() {
		select {
		case <-pause.C:
		case <-timeout.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
