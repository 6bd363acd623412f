package eureka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// trust is TLS towards the servers. It reads its files anew for every
// connection, so that rotated ones count without a restart.
type trust struct {
	caFile, certFile, keyFile string
	serverName                string // "" for the host that is dialled
}

// errBadFile says that a file of ours cannot be used.
var errBadFile = errors.New("a certificate file cannot be used")

// config reads the files.
func (t *trust) config(host string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.serverName}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.caFile != "" {
		pem, err := os.ReadFile(t.caFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadFile, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: %s holds no PEM certificate", errBadFile, t.caFile)
		}
	}
	if t.certFile != "" {
		pair, err := tls.LoadX509KeyPair(t.certFile, t.keyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// secure does the handshake on a connection to addr.
func (t *trust) secure(ctx context.Context, raw net.Conn, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	config, err := t.config(host)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	return conn, conn.HandshakeContext(ctx)
}

// isTrust tells certificates that do not verify, theirs or ours, from
// connections that break.
func isTrust(err error) bool {
	if errors.Is(err, errBadFile) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // a TLS alert
		return true
	}
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	return plain
}
