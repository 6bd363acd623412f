//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var zookeeperArtifact = &artifact{
	name:   "zookeeper",
	title:  "ZooKeeper 3.9.5",
	inputs: []string{"javaservers/pom.xml", "javaservers/zookeeper/pom.xml"},
	check:  javaGone,
	build: func(ctx context.Context, p *progress, dir string) error {
		if err := mavenJars(ctx, p, "javaservers/zookeeper", dir); err != nil {
			return err
		}
		return p.step("archiving its classes", func() error { return archiveZooKeeper(dir) })
	},
}

// ZooKeeperOptions chooses the ZooKeeper to start. The zero value is one
// server without TLS. Digest authentication needs no option.
type ZooKeeperOptions struct {
	// Members is the size of the ensemble; 0 means 1.
	Members int
	// TickTime is ZooKeeper's unit of time; 0 means 200 ms. Sessions may be of
	// 2 to 20 ticks.
	TickTime time.Duration
	// TLS, when set, is what Addr speaks.
	TLS *TLS
	// Config is further lines of zoo.cfg by key, for all members.
	Config map[string]string
	// JavaArgs are further arguments of the JVM.
	JavaArgs []string
}

// ZooKeeper is a running ZooKeeper ensemble.
type ZooKeeper struct {
	*Ensemble
	options ZooKeeperOptions
	jvm     jvm
	admin   []string // plain host:port of each member
}

// StartZooKeeper starts ZooKeeper for a test and stops it at its end.
func StartZooKeeper(t testing.TB, options ZooKeeperOptions) *ZooKeeper {
	t.Helper()
	zookeeper, err := NewZooKeeper(options)
	if err != nil {
		t.Fatal(err)
	}
	zookeeper.attach(t)
	return zookeeper
}

// NewZooKeeper starts ZooKeeper and returns when every member serves. The
// caller closes it.
func NewZooKeeper(options ZooKeeperOptions) (*ZooKeeper, error) {
	dir, err := zookeeperArtifact.find()
	if err != nil {
		return nil, err
	}
	return launchZooKeeper(dir, options)
}

func launchZooKeeper(dir string, options ZooKeeperOptions) (*ZooKeeper, error) {
	java, err := newJVM(dir)
	if err != nil {
		return nil, err
	}
	options.Members = max(options.Members, 1)
	if options.TickTime == 0 {
		options.TickTime = 200 * time.Millisecond
	}
	zookeeper := &ZooKeeper{options: options, jvm: java}
	zookeeper.Ensemble, err = launch("zookeeper", zookeeperPorts*options.Members, zookeeper.setUp)
	if err != nil {
		return nil, err
	}
	return zookeeper, nil
}

// archiveZooKeeper runs a server once for the archive of its classes.
func archiveZooKeeper(dir string) error {
	java, err := newJVM(dir)
	if err != nil {
		return err
	}
	zookeeper, err := launchZooKeeper(dir, ZooKeeperOptions{JavaArgs: java.archiving()})
	if err != nil {
		return err
	}
	return errors.Join(zookeeper.Stop(), zookeeper.Close())
}

// The ports of a member. Clients have two, of which the plain one serves the
// probes even when Addr is the one with TLS.
const (
	zookeeperPlain = iota
	zookeeperSecure
	zookeeperPeer
	zookeeperElection
	zookeeperPorts
)

func (z *ZooKeeper) setUp(l layout) ([]*Node, error) {
	z.admin = nil
	var nodes []*Node
	for i := range z.options.Members {
		node, err := z.newMember(l, i)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

func (z *ZooKeeper) newMember(l layout, i int) (*Node, error) {
	plain := l.addr(zookeeperPorts*i + zookeeperPlain)
	z.admin = append(z.admin, plain)
	addr := plain
	if z.options.TLS != nil {
		addr = l.addr(zookeeperPorts*i + zookeeperSecure)
	}
	main := "org.apache.zookeeper.server.ZooKeeperServerMain"
	if z.options.Members > 1 {
		main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
	}
	node, err := z.jvm.node(l, fmt.Sprintf("zookeeper%d", i), addr, 256, func(node *Node) []string {
		args := []string{
			"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
			"-Dzookeeper.forceSync=no",      // memory survives the kills of a test
			"-Dzookeeper.preAllocSize=1024", // KB; a log file is 64 MB otherwise
		}
		args = append(args, z.options.JavaArgs...)
		return append(args, "-cp", z.jvm.classpath(), main, filepath.Join(node.dir, "zoo.cfg"))
	})
	if err != nil {
		return nil, err
	}
	node.probe = func(ctx context.Context) error {
		_, err := zookeeperMode(ctx, plain)
		if err == nil && addr != plain {
			err = listens(ctx, addr) // which it does last
		}
		return err
	}
	node.seed = func(dataDir string) error {
		return os.WriteFile(filepath.Join(dataDir, "myid"), fmt.Appendln(nil, i+1), 0o600)
	}
	return node, z.writeConfig(l, node, i)
}

func (z *ZooKeeper) writeConfig(l layout, node *Node, i int) error {
	config := map[string]string{
		"tickTime":               fmt.Sprint(z.options.TickTime.Milliseconds()),
		"dataDir":                node.dataDir(),
		"admin.enableServer":     "false",
		"4lw.commands.whitelist": "*",
		"maxClientCnxns":         "0",
	}
	if z.options.Members == 1 {
		config["clientPort"] = fmt.Sprint(l.ports[zookeeperPlain])
		config["clientPortAddress"] = "127.0.0.1"
	} else {
		config["initLimit"], config["syncLimit"] = "20", "10"
		config["standaloneEnabled"] = "false"
		for member := range z.options.Members {
			port := l.ports[zookeeperPorts*member:]
			config[fmt.Sprintf("server.%d", member+1)] = fmt.Sprintf("127.0.0.1:%d:%d;127.0.0.1:%d",
				port[zookeeperPeer], port[zookeeperElection], port[zookeeperPlain])
		}
	}
	if z.options.TLS != nil {
		if err := z.secure(config, node, l.ports[zookeeperPorts*i+zookeeperSecure]); err != nil {
			return err
		}
	}
	for key, value := range z.options.Config {
		config[key] = value
	}
	var b strings.Builder
	for key, value := range config {
		fmt.Fprintf(&b, "%s=%s\n", key, value)
	}
	return os.WriteFile(filepath.Join(node.dir, "zoo.cfg"), []byte(b.String()), 0o600)
}

// secure adds the port with TLS. ZooKeeper reads key and certificate from one
// file.
func (z *ZooKeeper) secure(config map[string]string, node *Node, port int) error {
	tls := z.options.TLS
	key, err := os.ReadFile(tls.KeyFile)
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(tls.CertFile)
	if err != nil {
		return err
	}
	both := filepath.Join(node.dir, "server.pem")
	if err := os.WriteFile(both, slices.Concat(key, cert), 0o600); err != nil {
		return err
	}
	config["secureClientPort"] = fmt.Sprint(port)
	config["secureClientPortAddress"] = "127.0.0.1"
	config["serverCnxnFactory"] = "org.apache.zookeeper.server.NettyServerCnxnFactory"
	config["ssl.keyStore.location"], config["ssl.keyStore.type"] = both, "PEM"
	config["ssl.clientAuth"] = "none"
	// It wants a trust store even when it trusts nobody.
	config["ssl.trustStore.location"], config["ssl.trustStore.type"] = tls.CertFile, "PEM"
	if tls.ClientCAFile != "" {
		config["ssl.clientAuth"] = "need"
		config["ssl.trustStore.location"] = tls.ClientCAFile
	}
	return nil
}

// Leader is the member that leads the ensemble.
func (z *ZooKeeper) Leader() (*Node, error) {
	return z.findLeader(func(ctx context.Context, i int) (bool, error) {
		mode, err := zookeeperMode(ctx, z.admin[i])
		return mode == "leader" || mode == "standalone", err
	})
}

// Backup copies the data of every member as it runs, as ZooKeeper allows, and
// returns the path of the copy, which is good until the server is closed.
func (z *ZooKeeper) Backup() (string, error) {
	dir, err := os.MkdirTemp(z.dir, "backup-*")
	if err != nil {
		return "", err
	}
	return dir, z.all(func(node *Node) error {
		return node.report("backup", os.CopyFS(filepath.Join(dir, node.name), os.DirFS(node.dataDir())))
	})
}

// Restore kills the ensemble, gives every member the data of the backup and
// starts it again: transaction numbers go back.
func (z *ZooKeeper) Restore(backup string) error {
	put := func(node *Node) error {
		return node.report("restore", os.CopyFS(node.dataDir(), os.DirFS(filepath.Join(backup, node.name))))
	}
	return z.inTurn((*Node).Kill, (*Node).Erase, put, (*Node).Start)
}

// modeTimeout bounds one question: a server that is just binding its port may
// leave a connection without an answer.
const modeTimeout = 250 * time.Millisecond

// zookeeperMode is the role in which a server serves. One that does not serve
// yet has none, although it says already that all is well (imok).
func zookeeperMode(ctx context.Context, addr string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, modeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, "srvr"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(answer)) {
		if mode, ok := strings.CutPrefix(line, "Mode: "); ok {
			return strings.TrimSpace(mode), nil
		}
	}
	return "", fmt.Errorf("not serving: %q", answer)
}
