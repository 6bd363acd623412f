package kit_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/adsumtest"
	titles "github.com/adsum-go/adsum/examples/consul"
	"github.com/adsum-go/adsum/test/servers"
)

// consul is the agent that all examples use.
var consul *servers.Consul

func TestMain(m *testing.M) {
	var err error
	if consul, err = servers.NewConsul(servers.ConsulOptions{Dev: true}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	adsumtest.VerifyNoLeaks(m, adsumtest.AfterTests(func() {
		plain.CloseIdleConnections()
		http.DefaultClient.CloseIdleConnections()
		_ = consul.Close()
	}))
}

// copyOf is a copy of the service and what an example does with it.
type copyOf struct {
	*titles.Copy
	registrar *adsumkit.Registrar
	close     func()
}

// start runs a copy; it is registered by its registrar.
func start(registry adsum.Registry, id string, tags ...string) *copyOf {
	c := &copyOf{Copy: titles.NewCopy(id)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := &http.Server{Handler: c}
	go func() { _ = server.Serve(listener) }()
	c.registrar, err = titles.NewRegistrar(registry, id, listener.Addr().String(), tags...)
	must(err)
	c.close = func() {
		must(c.registrar.Close(context.Background()))
		must(server.Close())
	}
	return c
}

// plain carries the requests of those who know nothing of us.
var plain = &http.Client{Transport: &http.Transport{}}

// agent is Consul's own client.
func agent() *api.Client {
	client, err := api.NewClient(&api.Config{Address: consul.Addr(), HttpClient: plain})
	must(err)
	return client
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// await looks until a condition holds.
func await(what string, bound time.Duration, holds func() bool) {
	for deadline := time.Now().Add(bound); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			panic("waited in vain for " + what)
		}
	}
}

// status is how Consul sees a copy: the worst of its checks, "" if it knows
// none.
func status(client *api.Client, id string) string {
	answer, _, err := client.Health().Service(titles.Service, "", false, nil)
	must(err)
	for _, s := range answer {
		if strings.HasSuffix(s.Service.ID, ":"+id) {
			return s.Checks.AggregatedStatus()
		}
	}
	return ""
}

// A service registers with an id, tags and a port, and has the agent ask its
// health page.
func Example_register() {
	registry, err := titles.Open(consul.Addr())
	must(err)
	defer registry.Close()
	c := start(registry, "titles-1", "v1", "canary")
	defer c.close()

	c.registrar.Register()
	must(c.registrar.WaitReady(context.Background()))

	s, _, err := agent().Agent().Service("titles:titles-1", nil)
	must(err)
	fmt.Println(s.Service, s.ID, s.Tags, s.Port > 0)
	checks, err := agent().Agent().ChecksWithFilter(`ServiceID == "titles:titles-1"`)
	must(err)
	for _, check := range checks {
		fmt.Println(check.Type, check.Name)
	}
	await("it to pass", 20*time.Second, func() bool { return status(agent(), "titles-1") == "passing" })
	fmt.Println(status(agent(), "titles-1"))
	// Output:
	// titles titles:titles-1 [v1 canary] true
	// http http check
	// passing
}

// It is discovered by its name, by a tag, and passing only.
func Example_discover() {
	registry, err := titles.Open(consul.Addr())
	must(err)
	defer registry.Close()
	well, ill := start(registry, "titles-1", "v1"), start(registry, "titles-2", "v1", "canary")
	defer well.close()
	defer ill.close()
	ill.SetIll(true)
	well.registrar.Register()
	ill.registrar.Register()
	await("one to pass", 20*time.Second, func() bool {
		return status(agent(), "titles-1") == "passing" && status(agent(), "titles-2") == "critical"
	})

	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	discover := func(tag string, passingOnly bool) {
		found, err := dir.Discover(context.Background(), titles.Service, tag, passingOnly)
		must(err)
		var ids []string
		for _, in := range found {
			ids = append(ids, in.ID)
		}
		fmt.Println(ids)
	}
	await("all of it to be known", 20*time.Second, func() bool {
		s, err := dir.Snapshot(context.Background(), titles.Service)
		must(err)
		return len(s.Instances) == 2 && len(s.Select("", true)) == 1
	})
	discover("", false)
	discover("canary", false)
	discover("v1", true)
	discover("canary", true)
	// Output:
	// [titles-1 titles-2]
	// [titles-2]
	// [titles-1]
	// []
}

// A copy whose health page fails turns critical, and go-kit's endpoints no
// longer go to it; it is called again when the page answers.
func Example_turnsCritical() {
	registry, err := titles.Open(consul.Addr())
	must(err)
	defer registry.Close()
	one, two := start(registry, "titles-1", "v1"), start(registry, "titles-2", "v1")
	defer one.close()
	defer two.close()
	one.registrar.Register()
	two.registrar.Register()
	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	client, err := titles.NewClient(dir, "v1")
	must(err)
	defer client.Close()

	// callees asks four times.
	callees := func() []string {
		var from []string
		for range 4 {
			answer, err := client.Title(context.Background(), 1)
			if err != nil {
				return nil
			}
			from = append(from, answer.From)
		}
		slices.Sort(from)
		return slices.Compact(from)
	}
	calls := func(ids ...string) {
		await(fmt.Sprint("calls to go to ", ids), 20*time.Second, func() bool { return slices.Equal(callees(), ids) })
		fmt.Println(ids)
	}
	calls("titles-1", "titles-2")
	two.SetIll(true)
	calls("titles-1")
	fmt.Println(status(agent(), "titles-2"))
	two.SetIll(false)
	calls("titles-1", "titles-2")
	// Output:
	// [titles-1 titles-2]
	// [titles-1]
	// critical
	// [titles-1 titles-2]
}

// A copy that stays critical is removed by the agent after
// DeregisterCriticalServiceAfter, a minute at least, and looked for every half
// minute. It does not come back as a corpse, but when its page answers again.
func Example_removedAndBack() {
	registry, err := titles.Open(consul.Addr())
	must(err)
	defer registry.Close()
	c := start(registry, "titles-1", "v1")
	defer c.close()
	c.registrar.Register()
	await("it to pass", 20*time.Second, func() bool { return status(agent(), "titles-1") == "passing" })

	c.SetIll(true)
	await("it to be critical", 20*time.Second, func() bool { return status(agent(), "titles-1") == "critical" })
	since := time.Now()
	await("it to be removed", 3*time.Minute, func() bool { return status(agent(), "titles-1") == "" })
	took := time.Since(since)
	fmt.Println("removed between 50 s and 100 s:", took > 50*time.Second && took < 100*time.Second)
	await("that to be noticed", 20*time.Second, func() bool { return c.registrar.State().Lost > 0 })
	fmt.Println("registered:", c.registrar.State().Registered)

	c.SetIll(false)
	await("it to be back", 20*time.Second, func() bool { return status(agent(), "titles-1") == "passing" })
	fmt.Println("back")
	// Output:
	// removed between 50 s and 100 s: true
	// registered: false
	// back
}

// A copy that deregisters is gone at once, and may register again.
func Example_deregister() {
	registry, err := titles.Open(consul.Addr())
	must(err)
	defer registry.Close()
	c := start(registry, "titles-1", "v1")
	defer c.close()
	c.registrar.Register()
	must(c.registrar.WaitReady(context.Background()))

	c.registrar.Deregister()
	fmt.Printf("%q\n", status(agent(), "titles-1"))
	c.registrar.Register()
	must(c.registrar.WaitReady(context.Background()))
	fmt.Println(status(agent(), "titles-1") != "")
	// Output:
	// ""
	// true
}
