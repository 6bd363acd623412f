package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/adsum-go/adsum"
)

// trust is TLS towards the registry. It reads its files anew for every
// connection, so that rotated ones count without a restart, and remembers why
// certificates did not verify: gRPC only says that no connection came about.
type trust struct {
	caFile, certFile, keyFile string
	serverName                string // "" for the host that is dialled

	mu  sync.Mutex
	why error // of the last failure since the last byte received; guarded by mu
}

func (t *trust) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.why
}

func (t *trust) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.why = err
}

// config reads the files.
func (t *trust) config() (*tls.Config, error) {
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

// ClientHandshake implements [credentials.TransportCredentials].
func (t *trust) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	config, err := t.config()
	if err != nil {
		t.note(err)
		return nil, nil, err
	}
	if t.serverName != "" {
		authority = t.serverName // gRPC would put the host's name over the one in config
	}
	conn, info, err := credentials.NewTLS(config).ClientHandshake(ctx, authority, raw)
	if err != nil {
		if isTrust(err) {
			t.note(err)
		}
		return nil, nil, err
	}
	return &heardConn{Conn: conn, t: t}, info, nil
}

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

// heardConn notices when the server refuses our certificate. With TLS 1.3
// that comes after the handshake, in place of the first byte.
type heardConn struct {
	net.Conn
	t     *trust
	heard atomic.Bool
}

func (c *heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.heard.CompareAndSwap(false, true) {
		c.t.note(nil)
	}
	if err != nil && isTrust(err) {
		c.t.note(err)
	}
	return n, err
}

// Write looks for the reason when the server closed before it said anything:
// gRPC gives up the connection without reading it.
func (c *heardConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && !c.heard.Load() {
		_ = c.SetReadDeadline(time.Now().Add(lastWords))
		_, _ = c.Read(make([]byte, 1))
	}
	return n, err
}

// lastWords is how long a closed connection is searched for a reason. What
// the server sent has arrived before the end of the connection.
const lastWords = 100 * time.Millisecond

// ServerHandshake implements [credentials.TransportCredentials]; this side
// never serves.
func (t *trust) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, adsum.ErrUnsupported
}

// Info implements [credentials.TransportCredentials].
func (t *trust) Info() credentials.ProtocolInfo {
	//lint:ignore SA1019 gRPC still takes the authority from it
	return credentials.ProtocolInfo{SecurityProtocol: "tls", ServerName: t.serverName}
}

// Clone implements [credentials.TransportCredentials]. The clone is the
// same: what one connection finds out concerns all.
func (t *trust) Clone() credentials.TransportCredentials { return t }

// OverrideServerName implements [credentials.TransportCredentials].
func (t *trust) OverrideServerName(string) error { return adsum.ErrUnsupported }
