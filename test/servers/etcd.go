//go:build unix

package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var etcdArtifact = &artifact{
	name:     "etcd",
	title:    "etcd 3.7.3",
	inputs:   []string{"etcdserver/go.mod", "etcdserver/go.sum", "etcdserver/main.go", "etcdserver/snapshot.go"},
	settings: goFlags,
	build:    goBuild("etcdserver", ".", "etcdserver"),
}

// EtcdOptions chooses the etcd to start. The zero value is one member without
// TLS and authentication, with fast timers.
type EtcdOptions struct {
	// Members is the size of the cluster; 0 means 1.
	Members int
	// TLS, when set, is what client connections need.
	TLS *TLS
	// OwnTimers keeps etcd's heartbeat of 100 ms and election of 1 s, and its
	// syncing to disk. Otherwise they are 10 ms and 100 ms without syncing: an
	// election is over in a fifth of a second, and the shortest lease is 1 s.
	OwnTimers bool
	// User and Password are what [Etcd.Backup] logs in with once a test has
	// turned authentication on (which is cheap here: bcrypt cost 4).
	User, Password string
	// Args are further flags of etcd, after all others.
	Args []string
}

// Etcd is a running etcd cluster.
type Etcd struct {
	*Ensemble
	options EtcdOptions
	program string
	admin   []string // plain http URL of each member
	cluster string   // etcd's --initial-cluster
	peers   []string // peer URL of each member
}

// StartEtcd starts etcd for a test and stops it at its end.
func StartEtcd(t testing.TB, options EtcdOptions) *Etcd {
	t.Helper()
	etcd, err := NewEtcd(options)
	if err != nil {
		t.Fatal(err)
	}
	etcd.attach(t)
	return etcd
}

// NewEtcd starts etcd and returns when every member serves. The caller closes
// it.
func NewEtcd(options EtcdOptions) (*Etcd, error) {
	dir, err := etcdArtifact.find()
	if err != nil {
		return nil, err
	}
	options.Members = max(options.Members, 1)
	etcd := &Etcd{options: options, program: filepath.Join(dir, "etcdserver")}
	etcd.Ensemble, err = launch("etcd", 3*options.Members, etcd.setUp)
	if err != nil {
		return nil, err
	}
	return etcd, nil
}

// Endpoints holds the client URL of every member.
func (e *Etcd) Endpoints() []string {
	var urls []string
	for _, addr := range e.Addrs() {
		urls = append(urls, e.scheme()+"://"+addr)
	}
	return urls
}

func (e *Etcd) scheme() string {
	if e.options.TLS != nil {
		return "https"
	}
	return "http"
}

// setUp describes the members. Each has three ports: for clients, for its
// peers, and a plain one for probes and snapshots, which stay simple whatever
// the clients' port demands.
func (e *Etcd) setUp(l layout) ([]*Node, error) {
	e.admin, e.peers = nil, nil
	var members []string
	for i := range e.options.Members {
		e.peers = append(e.peers, "http://"+l.addr(3*i+1))
		e.admin = append(e.admin, "http://"+l.addr(3*i+2))
		members = append(members, fmt.Sprintf("etcd%d=%s", i, e.peers[i]))
	}
	e.cluster = strings.Join(members, ",")

	var nodes []*Node
	for i := range e.options.Members {
		node, err := l.newNode(fmt.Sprintf("etcd%d", i), l.addr(3*i))
		if err != nil {
			return nil, err
		}
		args := e.args(i, node)
		node.command = func() *exec.Cmd { return exec.Command(e.program, args...) }
		node.probe = e.probe(i)
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// etcdToken is the same for all test clusters: they cannot meet, as each
// knows only the ports of its own members.
const etcdToken = "adsum-test"

func (e *Etcd) args(i int, node *Node) []string {
	client := e.scheme() + "://" + node.addr
	args := []string{
		"--name=" + node.name,
		"--data-dir=" + node.dataDir(),
		"--listen-client-urls=" + client + "," + e.admin[i],
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + e.peers[i],
		"--initial-advertise-peer-urls=" + e.peers[i],
		"--initial-cluster=" + e.cluster,
		"--initial-cluster-token=" + etcdToken,
		"--initial-cluster-state=new",
		"--auth-token=simple",
		"--bcrypt-cost=4",
		"--log-level=warn",
	}
	if !e.options.OwnTimers {
		args = append(args, "--heartbeat-interval=10", "--election-timeout=100", "--unsafe-no-fsync")
	}
	if tls := e.options.TLS; tls != nil {
		args = append(args, "--cert-file="+tls.CertFile, "--key-file="+tls.KeyFile)
		if tls.ClientCAFile != "" {
			args = append(args, "--trusted-ca-file="+tls.ClientCAFile, "--client-cert-auth")
		}
	}
	return append(args, e.options.Args...)
}

// probe asks for etcd's health, which takes a linearizable read: it is well
// only when there is a leader and the member follows it.
func (e *Etcd) probe(i int) func(context.Context) error {
	return func(ctx context.Context) error { return httpOK(ctx, e.admin[i]+"/health") }
}

// Leader is the member that leads.
func (e *Etcd) Leader() (*Node, error) {
	return e.findLeader(func(ctx context.Context, i int) (bool, error) {
		url := e.admin[i] + "/v3/maintenance/status"
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
		if err != nil {
			return false, err
		}
		body, err := httpDo(probeClient, request)
		if err != nil {
			return false, err
		}
		var status struct {
			Leader string
			Header struct {
				MemberID string `json:"member_id"`
			}
		}
		err = json.Unmarshal(body, &status)
		return status.Leader != "" && status.Leader == status.Header.MemberID, err
	})
}

// Backup writes a snapshot of the running first member and returns its path,
// which is good until the server is closed.
func (e *Etcd) Backup() (string, error) {
	node := e.nodes[0]
	file, err := os.CreateTemp(e.dir, "snapshot-*.db")
	if err != nil {
		return "", node.report("backup", err)
	}
	file.Close()
	path := file.Name()
	args := []string{"save", "-endpoint", e.admin[0]}
	if e.options.User != "" {
		args = append(args, "-user", e.options.User+":"+e.options.Password)
	}
	return path, node.report("backup", e.run(append(args, path)))
}

// Restore kills the cluster, gives every member the data of the snapshot and
// starts it again: revisions go back, which no client is told.
func (e *Etcd) Restore(snapshot string) error {
	put := func(node *Node) error { return node.report("restore", e.putBack(node, snapshot)) }
	return e.inTurn((*Node).Kill, (*Node).Erase, put, (*Node).Start)
}

func (e *Etcd) putBack(node *Node, snapshot string) error {
	i := slices.Index(e.nodes, node)
	return e.run([]string{
		"restore", "-data-dir", node.dataDir(), "-name", node.name,
		"-initial-cluster", e.cluster, "-initial-cluster-token", etcdToken,
		"-initial-advertise-peer-urls", e.peers[i], snapshot,
	})
}

func (e *Etcd) run(args []string) error {
	out, err := exec.Command(e.program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("etcdserver %s: %w: %s", args[0], err, out)
	}
	return nil
}
