//go:build unix

package servers_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

// zkSession opens a session with the server at addr and closes it after use.
func zkSession(ctx context.Context, addr string, config *tls.Config, use func(*zk.Conn) error) error {
	conn, events, err := zk.Connect([]string{addr}, 2*time.Second, zk.WithLogger(silent{}), zk.WithDialer(
		func(network, addr string, timeout time.Duration) (net.Conn, error) {
			dialer := &net.Dialer{Timeout: timeout}
			if config != nil {
				return tls.DialWithDialer(dialer, network, addr, config)
			}
			return dialer.Dial(network, addr)
		}))
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		select {
		case event := <-events:
			if event.State == zk.StateHasSession {
				return use(conn)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// zkStore reads and writes one node of the tree.
func zkStore(addr string, config *tls.Config) store {
	return store{
		write: func(ctx context.Context) error {
			return zkSession(ctx, addr, config, func(conn *zk.Conn) error {
				_, err := conn.Create("/k", nil, 0, zk.WorldACL(zk.PermAll))
				if errors.Is(err, zk.ErrNodeExists) {
					return nil
				}
				return err
			})
		},
		read: func(ctx context.Context) (exists bool, err error) {
			err = zkSession(ctx, addr, config, func(conn *zk.Conn) (err error) {
				exists, _, err = conn.Exists("/k")
				return err
			})
			return exists, err
		},
	}
}

func TestZooKeeperGoesThroughEveryFault(t *testing.T) {
	t.Parallel()
	zookeeper := servers.StartZooKeeper(t, servers.ZooKeeperOptions{})
	checkFaults(t, zookeeper, zkStore(zookeeper.Addr(), nil))
}

func TestThreeZooKeepersElectAnotherLeader(t *testing.T) {
	t.Parallel()
	zookeeper := servers.StartZooKeeper(t, servers.ZooKeeperOptions{Members: 3})
	leader, err := zookeeper.Leader()
	if err != nil {
		t.Fatal(err)
	}
	leader.Kill()
	next, err := zookeeper.Leader()
	if err != nil {
		t.Fatal(err)
	}
	zkStore(next.Addr(), nil).mustWrite(t)
	leader.Wipe()
	zkStore(leader.Addr(), nil).mustHold(t, true)
}

func TestZooKeeperWithTLSDemandsAClientCertificate(t *testing.T) {
	t.Parallel()
	ca := certs.NewAuthority(t)
	pair := ca.Server(t)
	zookeeper := servers.StartZooKeeper(t, servers.ZooKeeperOptions{
		TLS: &servers.TLS{CertFile: pair.CertFile, KeyFile: pair.KeyFile, ClientCAFile: ca.File},
	})
	config := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Client(t, "client").Load(t)}}
	zkStore(zookeeper.Addr(), config).mustWrite(t)
	zkStore(zookeeper.Addr(), &tls.Config{RootCAs: ca.Pool()}).mustNotAnswer(t)
}

func TestZooKeeperTakesFurtherConfiguration(t *testing.T) {
	t.Parallel()
	zookeeper := servers.StartZooKeeper(t, servers.ZooKeeperOptions{
		TickTime: 100 * time.Millisecond, Config: map[string]string{"minSessionTimeout": "100"},
	})
	conn, err := net.Dial("tcp", zookeeper.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "conf"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"tickTime=100\n", "minSessionTimeout=100\n"} {
		if !strings.Contains(string(answer), line) {
			t.Errorf("no line %q in its configuration:\n%s", line, answer)
		}
	}
}
