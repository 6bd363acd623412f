//go:build unix

package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

var consulArtifact = &artifact{
	name:     "consul",
	title:    "Consul 1.22.0",
	inputs:   []string{"consulserver/go.mod", "consulserver/go.sum"},
	settings: goFlags,
	build:    goBuild("consulserver", "github.com/hashicorp/consul", "consul"),
}

// ConsulOptions chooses the Consul to start. The zero value is one server that
// keeps its data on disk, without ACLs and TLS.
type ConsulOptions struct {
	// Servers is the number of server agents; 0 means 1.
	Servers int
	// Clients is the number of client agents beside them, each of which knows
	// all the servers. They are the last members.
	Clients int
	// Dev runs the one server in memory (-dev): ready in 0.2 s in place of
	// 1.5 s, and empty after each start.
	Dev bool
	// ManagementToken turns ACLs on, with the default to deny, and is the
	// token that may do everything. It is a UUID.
	ManagementToken string
	// TLS, when set, is what Addr speaks, in place of plain HTTP.
	TLS *TLS
	// Config is further agent configuration by top-level key, for all agents.
	Config map[string]any
}

// Consul is a running Consul datacentre, dc1.
type Consul struct {
	*Ensemble
	options ConsulOptions
	program string
	admin   []string // plain http URL of each member
	serf    []string // host:port of each server's gossip
}

// StartConsul starts Consul for a test and stops it at its end.
func StartConsul(t testing.TB, options ConsulOptions) *Consul {
	t.Helper()
	consul, err := NewConsul(options)
	if err != nil {
		t.Fatal(err)
	}
	consul.attach(t)
	return consul
}

// NewConsul starts Consul and returns when every agent takes part in the
// datacentre. The caller closes it.
func NewConsul(options ConsulOptions) (*Consul, error) {
	options.Servers = max(options.Servers, 1)
	if options.Dev && options.Servers > 1 {
		return nil, errors.New("consul: servers in development mode stand alone")
	}
	dir, err := consulArtifact.find()
	if err != nil {
		return nil, err
	}
	consul := &Consul{options: options, program: filepath.Join(dir, "consul")}
	consul.Ensemble, err = launch("consul", consulPorts*(options.Servers+options.Clients), consul.setUp)
	if err != nil {
		return nil, err
	}
	return consul, nil
}

// Server is the i-th server agent, counted from 0.
func (c *Consul) Server(i int) *Node { return c.nodes[i] }

// Client is the i-th client agent, counted from 0.
func (c *Consul) Client(i int) *Node { return c.nodes[c.options.Servers+i] }

// Reload has every agent read its configuration and certificate files again
// (SIGHUP). Consul looks at them at no other time.
func (c *Consul) Reload() error {
	return c.all(func(n *Node) error {
		return n.report("reload", n.locked(func() error { return n.signal(syscall.SIGHUP) }))
	})
}

// Rejoin has every client agent look for the servers now. After an outage of
// all servers a client agent does so by itself only every 30 s.
func (c *Consul) Rejoin() error {
	var results []error
	for i := range c.options.Clients {
		node := c.Client(i)
		url := c.admin[c.options.Servers+i] + "/v1/agent/join/" + c.serf[0]
		results = append(results, node.report("rejoin", c.call(context.Background(), http.MethodPut, url, nil)))
	}
	return errors.Join(results...)
}

// The ports of an agent: for clients, for server RPC, for gossip, and a plain
// one for probes, which stay simple whatever the clients' port demands.
const (
	consulHTTP = iota
	consulRPC
	consulSerf
	consulAdmin
	consulPorts
)

func (c *Consul) setUp(l layout) ([]*Node, error) {
	c.admin, c.serf = nil, nil
	count := c.options.Servers + c.options.Clients
	for i := range count {
		c.admin = append(c.admin, "http://"+l.addr(consulPorts*i+c.adminPort()))
		if i < c.options.Servers {
			c.serf = append(c.serf, l.addr(consulPorts*i+consulSerf))
		}
	}
	var nodes []*Node
	for i := range count {
		node, err := c.newAgent(l, i)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

func (c *Consul) newAgent(l layout, i int) (*Node, error) {
	node, err := l.newNode(c.nodeName(i), l.addr(consulPorts*i+consulHTTP))
	if err != nil {
		return nil, err
	}
	file := filepath.Join(node.dir, "agent.json")
	if err := writeJSON(file, c.config(node, i, l.ports[consulPorts*i:])); err != nil {
		return nil, err
	}
	args := []string{"agent", "-config-file=" + file}
	if c.options.Dev && i < c.options.Servers {
		args = append(args, "-dev")
	}
	node.command = func() *exec.Cmd { return exec.Command(c.program, args...) }
	node.probe = func(ctx context.Context) error { return c.probe(ctx, i) }
	return node, nil
}

func (c *Consul) nodeName(i int) string {
	if i < c.options.Servers {
		return fmt.Sprintf("server%d", i)
	}
	return fmt.Sprintf("client%d", i-c.options.Servers)
}

// adminPort is the plain HTTP port: the clients' own unless that speaks TLS.
func (c *Consul) adminPort() int {
	if c.options.TLS == nil {
		return consulHTTP
	}
	return consulAdmin
}

// config is the agent's configuration: fast elections and gossip, and no limit
// that a test with many connections from one address would meet.
func (c *Consul) config(node *Node, i int, ports []int) map[string]any {
	config := map[string]any{
		"node_name":            node.name,
		"bind_addr":            "127.0.0.1",
		"client_addr":          "127.0.0.1",
		"disable_update_check": true,
		"log_level":            "warn",
		"ports": map[string]int{
			"http": ports[c.adminPort()], "https": -1,
			"server": ports[consulRPC], "serf_lan": ports[consulSerf],
			"serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1,
		},
		"performance": map[string]any{
			"raft_multiplier": 1, "leave_drain_time": "0s", "rpc_hold_timeout": "1s",
		},
		"gossip_lan": map[string]any{
			"gossip_interval": "100ms", "probe_interval": "100ms",
			"probe_timeout": "100ms", "suspicion_mult": 3,
		},
		"limits":         map[string]any{"http_max_conns_per_client": 10000},
		"retry_join":     c.serf,
		"retry_interval": "1s",
	}
	server := i < c.options.Servers
	if server {
		config["server"] = true
		config["raft_logstore"] = map[string]any{"wal": map[string]any{"segment_size_mb": 1}}
	}
	if !server || !c.options.Dev {
		config["data_dir"] = node.dataDir()
	}
	if server && !c.options.Dev {
		config["bootstrap_expect"] = c.options.Servers
	}
	c.secure(config, ports)
	maps.Copy(config, c.options.Config)
	return config
}

func (c *Consul) secure(config map[string]any, ports []int) {
	if token := c.options.ManagementToken; token != "" {
		config["primary_datacenter"] = "dc1"
		config["acl"] = map[string]any{
			"enabled": true, "default_policy": "deny",
			"tokens": map[string]any{"initial_management": token, "agent": token},
		}
	}
	if tls := c.options.TLS; tls != nil {
		config["ports"].(map[string]int)["https"] = ports[consulHTTP]
		https := map[string]any{"cert_file": tls.CertFile, "key_file": tls.KeyFile}
		if tls.ClientCAFile != "" {
			https["ca_file"], https["verify_incoming"] = tls.ClientCAFile, true
		}
		config["tls"] = map[string]any{"https": https}
	}
}

// probe is nil once the leader, through this agent, shows the agent's own node
// as alive: it has taken the node up into the catalog, and answers a read that
// only a leader may answer.
func (c *Consul) probe(ctx context.Context, i int) error {
	var checks []struct{ CheckID, Status string }
	url := c.admin[i] + "/v1/health/node/" + c.nodeName(i) + "?consistent"
	if err := c.call(ctx, http.MethodGet, url, &checks); err != nil {
		return err
	}
	for _, check := range checks {
		if check.CheckID == "serfHealth" && check.Status == "passing" {
			return nil
		}
	}
	return fmt.Errorf("not alive in the catalog: %v", checks)
}

// Leader is the server that leads.
func (c *Consul) Leader() (*Node, error) {
	return c.findLeader(func(ctx context.Context, i int) (bool, error) {
		if i >= c.options.Servers {
			return false, nil
		}
		var self struct {
			Stats struct{ Consul struct{ Leader string } }
		}
		err := c.call(ctx, http.MethodGet, c.admin[i]+"/v1/agent/self", &self)
		return self.Stats.Consul.Leader == "true", err
	})
}

// call talks to an agent and decodes its answer into the value that answer
// points to, unless that is nil.
func (c *Consul) call(ctx context.Context, method, url string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	if token := c.options.ManagementToken; token != "" {
		request.Header.Set("X-Consul-Token", token)
	}
	body, err := httpDo(probeClient, request)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(body, answer)
}

func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}
