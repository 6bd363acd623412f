//go:build unix

package book_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/zookeeper"
)

// product is a registry that services can be put into.
type product struct {
	name string
	// start starts one server.
	start func(testing.TB, pace) servers.Server
	// startSeveral starts servers that can lose one, and tells where clients
	// connect.
	startSeveral func(testing.TB, pace) several
	// prefix and suffix stand around the hosts in its URL.
	prefix, suffix string
	// quick are the options of the URL for a pace that is not its own.
	quick string
	// slow are those for its own pace, where they are not the driver's own.
	slow string
}

// several are servers of which one is special.
type several struct {
	addrs []string
	// lose kills it.
	lose func() error
}

// openers open all products.
var openers = adsum.Openers{
	"consul": consul.Open, "etcd": etcd.Open, "eureka+http": eureka.Open, "zk": zookeeper.Open,
}

// products are the registries that the programs are tested on. Eureka's servers
// are not at its own pace, at which a change takes a minute to be seen.
var products = []product{
	{
		name: "etcd", prefix: "etcd://", suffix: "/services", quick: "heartbeat=1s&timeout=2s",
		start: func(t testing.TB, p pace) servers.Server {
			return servers.StartEtcd(t, servers.EtcdOptions{OwnTimers: p.own})
		},
		startSeveral: func(t testing.TB, p pace) several {
			srv := servers.StartEtcd(t, servers.EtcdOptions{Members: 3, OwnTimers: p.own})
			return several{srv.Addrs(), killLeader(srv.Leader)}
		},
	},
	{
		name: "consul", prefix: "consul://", quick: "heartbeat=1s&timeout=2s",
		start: func(t testing.TB, _ pace) servers.Server {
			return servers.StartConsul(t, servers.ConsulOptions{Dev: true})
		},
		startSeveral: func(t testing.TB, _ pace) several {
			srv := servers.StartConsul(t, servers.ConsulOptions{Servers: 3, Clients: 1})
			return several{srv.Client(0).Addrs(), killLeader(srv.Leader)}
		},
	},
	{
		name: "zookeeper", prefix: "zk://", suffix: "/services", quick: "heartbeat=1s&timeout=2s",
		start: func(t testing.TB, p pace) servers.Server { return servers.StartZooKeeper(t, p.zookeeper(1)) },
		startSeveral: func(t testing.TB, p pace) several {
			srv := servers.StartZooKeeper(t, p.zookeeper(3))
			return several{srv.Addrs(), killLeader(srv.Leader)}
		},
	},
	{
		name: "eureka", prefix: "eureka+http://", suffix: "/eureka",
		quick: "poll=300ms&timeout=2s&server-cache=0&eviction=200ms&self-preservation=false",
		slow:  "poll=5s&server-cache=0&eviction=1s&self-preservation=false",
		start: func(t testing.TB, _ pace) servers.Server {
			return servers.StartEureka(t, servers.EurekaOptions{})
		},
		startSeveral: func(t testing.TB, _ pace) several {
			srv := servers.StartEureka(t, servers.EurekaOptions{Members: 2})
			// Peers have no leader: lost is the one that everybody uses.
			return several{srv.Addrs(), srv.Member(0).Kill}
		},
	},
}

func killLeader(find func() (*servers.Node, error)) func() error {
	return func() error {
		leader, err := find()
		if err != nil {
			return err
		}
		return leader.Kill()
	}
}

// url is that of a registry at the addresses.
func (p product) url(pace pace, addrs ...string) string {
	options := p.quick
	if pace.own {
		options = p.slow
	}
	raw := p.prefix + strings.Join(addrs, ",") + p.suffix
	if options != "" {
		raw += "?" + options
	}
	return raw
}

// openURL opens a registry until the test ends.
func openURL(t testing.TB, rawURL string) adsum.Registry {
	t.Helper()
	registry, err := openers.Open(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil && !errors.Is(err, adsum.ErrClosed) {
			t.Error(err)
		}
	})
	return registry
}

// pace is how fast a world goes.
type pace struct {
	// ttl is that of the servers' records.
	ttl time.Duration
	// freeze is for how long the registry is frozen.
	freeze time.Duration
	// own keeps timers as people run them.
	own bool
}

// quick is fast enough for every day.
var quick = pace{ttl: 5 * time.Second, freeze: 7 * time.Second}

// zookeeper are the options of an ensemble that grants the sessions asked for.
func (p pace) zookeeper(members int) servers.ZooKeeperOptions {
	options := servers.ZooKeeperOptions{Members: members, Config: map[string]string{"maxSessionTimeout": "40000"}}
	if p.own {
		options.TickTime = 2 * time.Second
	}
	return options
}

// sideBySide runs a test for each subject, all at the same time: most of it is
// waiting, which go test's own limit of parallel tests takes for work.
func sideBySide[T any](t *testing.T, subjects []T, name func(T) string, test func(*testing.T, T)) {
	var all sync.WaitGroup
	for _, subject := range subjects {
		all.Go(func() { t.Run(name(subject), func(t *testing.T) { test(t, subject) }) })
	}
	all.Wait()
}

// onEachProduct runs a test on every registry.
func onEachProduct(t *testing.T, test func(t *testing.T, p product)) {
	sideBySide(t, products, func(p product) string { return p.name }, test)
}

func productNamed(name string) product {
	return products[slices.IndexFunc(products, func(p product) bool { return p.name == name })]
}
