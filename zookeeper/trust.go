package zookeeper

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/adsum-go/adsum"
)

// trust is how servers are dialled: plainly, or with TLS. It reads its files
// anew for every connection, so that rotated ones count without a restart.
type trust struct {
	tls                       bool
	caFile, certFile, keyFile string
	serverName                string      // "" for the host that is dialled
	fixed                     *tls.Config // used as it is, if set
}

func (t *trust) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if !t.tls {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	config, err := t.config()
	if err != nil {
		return nil, &trustError{err}
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
	if isTrust(err) {
		return nil, &trustError{err}
	}
	return conn, err
}

// config reads the files.
func (t *trust) config() (*tls.Config, error) {
	if t.fixed != nil {
		return t.fixed, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.serverName}
	if t.caFile != "" {
		pem, err := os.ReadFile(t.caFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate", t.caFile)
		}
	}
	if t.certFile != "" {
		pair, err := tls.LoadX509KeyPair(t.certFile, t.keyFile)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// trustError is a certificate that does not verify, theirs or ours.
type trustError struct{ err error }

func (e *trustError) Error() string   { return adsum.ErrUntrusted.Error() + ": " + e.err.Error() }
func (e *trustError) Unwrap() []error { return []error{adsum.ErrUntrusted, e.err} }

// isTrust tells certificates that do not verify from connections that break.
func isTrust(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // a TLS alert
		return true
	}
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	return plain
}

// trustOf reads what the URL says. Files that are missing or broken are found
// by the first connection.
func trustOf(u *adsum.URL) (*trust, error) {
	q := u.Query
	t := &trust{caFile: q.Get("ca-file"), certFile: q.Get("cert-file"), keyFile: q.Get("key-file"), serverName: q.Get("server-name")}
	t.tls = t.caFile != "" || t.certFile != "" || t.keyFile != "" || t.serverName != ""
	if on := q.Get("tls"); on != "" {
		is, err := strconv.ParseBool(on)
		if err != nil {
			return nil, invalidURL("tls", on, "it is neither true nor false", "use tls=true")
		}
		if !is && t.tls {
			return nil, invalidURL("tls", on, "other options ask for TLS", "use tls=true, or leave those out")
		}
		t.tls = is
	}
	if (t.certFile == "") != (t.keyFile == "") {
		return nil, invalidURL("cert-file", "", "a certificate and its key belong together", "give both cert-file and key-file")
	}
	return t, nil
}
