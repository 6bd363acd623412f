// Package etcdserver runs a real etcd, of one member, inside this process.
package etcdserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// The clock of the only member: nobody can contest its election, so a short
// one costs nothing and makes it ready in a tenth of a second. It also sets
// the shortest lease the server grants, 1 s.
const (
	heartbeatMs = 10
	electionMs  = 100
)

// segmentSize is what the write-ahead log reserves on disk at a time. etcd's
// own 64 MB suits a store of everything; a registry holds kilobytes.
const segmentSize = 1 << 20

// startLimit is generous: a start takes milliseconds, one with much data to
// read a second or two.
const startLimit = 10 * time.Second

// Config says how to serve. The zero value serves a throw-away etcd on a
// free loopback port.
type Config struct {
	// Listen is host:port for clients; port 0 or "" takes a free one.
	Listen string
	// Dir keeps the data over restarts. Without one the data lives in a
	// temporary folder that Close removes, and is not synced to disk.
	Dir string
	// CertFile and KeyFile, PEM, make clients connect by TLS.
	CertFile, KeyFile string
	// ClientCAFile, PEM, makes clients show a certificate of that authority.
	ClientCAFile string
}

// Server is a running etcd.
type Server struct {
	etcd    *embed.Etcd
	addr    string
	tempDir string

	logLevel zap.AtomicLevel

	mu    sync.Mutex
	grpcs []*grpc.Server
}

// Start returns once the server answers reads and writes, or ctx ends.
func Start(ctx context.Context, config Config) (*Server, error) {
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	s := &Server{logLevel: zap.NewAtomicLevelAt(zap.ErrorLevel)}
	addr, err := freeAddr(config.Listen)
	if err != nil {
		return nil, err
	}
	s.addr = addr
	dir := config.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "adsum-etcd-"); err != nil {
			return nil, fmt.Errorf("make a temporary data folder: %w", err)
		}
		s.tempDir = dir
	}
	// A process serves one etcd and decides this before it starts.
	wal.SegmentSizeBytes = segmentSize
	if err := s.start(ctx, s.embedConfig(config, dir)); err != nil {
		return nil, fmt.Errorf("start etcd on %s: %w", addr, errors.Join(err, s.removeTemp()))
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
		return s, nil
	case err = <-s.etcd.Err():
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return nil, errors.Join(fmt.Errorf("etcd on %s did not become ready: %w", addr, err), s.Close())
}

// start gives up where etcd would wait for ever: for a data folder that
// another etcd holds. What waits is then left behind.
func (s *Server) start(ctx context.Context, config *embed.Config) error {
	type result struct {
		etcd *embed.Etcd
		err  error
	}
	started := make(chan result, 1)
	go func() {
		etcd, err := embed.StartEtcd(config)
		started <- result{etcd, err}
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case r := <-started:
		s.etcd = r.etcd
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-limit.C:
		return fmt.Errorf("nothing after %s: another etcd may be using %s", startLimit, config.Dir)
	}
}

func (s *Server) embedConfig(config Config, dir string) *embed.Config {
	c := embed.NewConfig()
	c.Name = "adsum"
	c.Dir = dir
	c.TickMs, c.ElectionMs = heartbeatMs, electionMs
	c.UnsafeNoFsync = config.Dir == ""
	// Renewals do not write; what history updates leave is not kept long.
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, "1h"
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(newLogger(s.logLevel))

	client := url.URL{Scheme: "http", Host: s.addr}
	if config.CertFile != "" {
		client.Scheme = "https"
		c.ClientTLSInfo.CertFile, c.ClientTLSInfo.KeyFile = config.CertFile, config.KeyFile
		c.ClientTLSInfo.TrustedCAFile = config.ClientCAFile
		c.ClientTLSInfo.ClientCertAuth = config.ClientCAFile != ""
	}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	// The only member has no peers: no port is opened for them, the name is
	// only written into the cluster's configuration.
	c.ListenPeerUrls = nil
	c.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.InitialCluster = c.Name + "=http://127.0.0.1:0"
	// Not to add a service but to get at the servers, see Close.
	c.ServiceRegister = func(g *grpc.Server) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.grpcs = append(s.grpcs, g)
	}
	return c
}

// Addr is where clients connect: host:port.
func (s *Server) Addr() string { return s.addr }

// Err delivers the error that ends the server before Close.
func (s *Server) Err() <-chan error { return s.etcd.Err() }

// Close stops the server. Clients are cut off first: etcd would wait for
// their watches to end, which they do not, for 5 s and more.
func (s *Server) Close() error {
	s.logLevel.SetLevel(zap.FatalLevel) // that listeners close is no error now
	s.mu.Lock()
	for _, g := range s.grpcs {
		g.Stop()
	}
	s.mu.Unlock()
	s.etcd.Close()
	return s.removeTemp()
}

func (s *Server) removeTemp() error {
	if s.tempDir == "" {
		return nil
	}
	return os.RemoveAll(s.tempDir)
}

// freeAddr finds out whether addr can be listened on, and which port stands
// for 0: etcd must know the port before it listens, as it advertises it.
func freeAddr(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
