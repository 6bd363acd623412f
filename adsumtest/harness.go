package adsumtest

import (
	"context"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

// Harness tells [Conformance] how to reach a registry and what can be done to
// it. Open, URL and Endpoints are all that a driver for a registry behind a
// network needs for most cases; the suite puts proxies of its own in front of
// the endpoints. The other fields are the faults that only the product can
// commit.
//
// A case whose hook is nil fails, unless NotApplicable or the driver's
// capabilities say why it does not apply. Hooks that take a [testing.TB] may
// fail the test, and clean up by its Cleanup.
//
// base is a name of letters, digits and dashes, fresh for every case. A
// registry that has folders puts the case into a folder of that name; one that
// has none ignores it: the service names of cases differ too.
type Harness struct {
	// Registry names the product and its version for people: "etcd 3.7.3".
	Registry string

	// Open is the driver's way to open a URL.
	Open func(rawURL string) (adsum.Registry, error)
	// URL makes the URL of the registry, for a client that looks at base
	// through these endpoints, to be tried in this order.
	URL func(base string, endpoints ...string) string
	// Endpoints are the host:port of the servers, which act as one.
	Endpoints []string
	// Connect replaces Open, URL and Endpoints for a registry without a
	// network.
	Connect func(t testing.TB, base string) *Client

	// TTL is used where a case waits for a record to run out: as short as
	// the registry takes it, and long enough for a busy machine to renew in
	// time. 0 means 2 s.
	TTL time.Duration
	// Slack is added to every bound the driver declares, for a busy machine.
	// 0 means 2 s.
	Slack time.Duration
	// Patience bounds every wait for which nothing is declared, such as
	// that for recovery after a fault. 0 means 30 s.
	Patience time.Duration

	// NotApplicable holds, by the number of the case, why a case says
	// nothing about this registry. The matrix shows the reason.
	NotApplicable map[int]string

	// Fill makes instances the complete set of a service, past the driver.
	// Only for a registry that the driver cannot write to.
	Fill func(ctx context.Context, base, service string, instances []adsum.Instance) error
	// Malform writes beside the instances of a service an entry that no
	// codec can read.
	Malform func(ctx context.Context, base, service string) error

	// Server is the registry as a whole. What the suite does to it, it
	// undoes.
	Server Server
	// Backup copies what the server holds, and returns what puts it back
	// while clients stay as they are: the registry goes back in time.
	Backup func() (restore func() error, err error)
	// Compact forgets the history of changes, so that a watch which was
	// away cannot catch up from where it was.
	Compact func(ctx context.Context) error
	// ExpireLease ends the lease or session that keeps a record, on the
	// server.
	ExpireLease func(ctx context.Context, base, service, id string) error
	// DeleteRecord deletes one record as another program would. nil means by
	// the driver's [adsum.Remover], from another client.
	DeleteRecord func(ctx context.Context, base, service, id string) error

	// Crash publishes in, and returns what ends its owner with no chance to
	// say goodbye. nil means by [StartPublisher], which needs [Publisher]
	// in TestMain.
	Crash func(t testing.TB, base string, in adsum.Instance, ttl time.Duration) (crash func())

	// Denied returns a client that is refused by the registry, for reading
	// and for writing. The suite closes it.
	Denied func(t testing.TB, base string) adsum.Registry
	// Credentials returns a client whose right can be taken and given back.
	Credentials func(t testing.TB, base string) Credentials
	// TLS returns clients of a server that demands mutual TLS.
	TLS func(t testing.TB, base string) TLSClients
	// Clock returns a client that reads the time of day from now. The suite
	// closes it.
	Clock func(t testing.TB, base string, now func() time.Time) adsum.Registry
}

// Server is what a test can do to a registry as a whole. Each method blocks
// until it is done.
type Server interface {
	// Kill ends the server with no chance to say goodbye.
	Kill() error
	// Start starts it again where it was, with the data it had, and returns
	// when it serves.
	Start() error
	// Freeze halts it: connections stay open, nothing answers.
	Freeze() error
	// Thaw ends Freeze.
	Thaw() error
	// Wipe restarts it without its data.
	Wipe() error
}

// Client is one client of a registry, and what can be done to its connection
// while others go on. A case that needs a function that is nil fails. Without
// Freeze, as for a registry in a folder, calls are not tried in a black hole.
type Client struct {
	Registry     adsum.Registry
	Cut, Heal    func() // the connection ends, and none can be made
	Freeze, Thaw func() // nothing fails, nothing arrives
	// Attempts counts the connections tried so far while cut. nil where
	// nobody can tell.
	Attempts func() int
}

// Credentials is a client whose right can be taken back. The suite closes the
// Registry.
type Credentials struct {
	Registry adsum.Registry
	// Revoke makes the registry refuse what the client asks from now on.
	Revoke func()
	// Restore makes it accept again, without opening another client.
	Restore func()
}

// TLSClients are clients of one server that demands mutual TLS. The suite
// closes them.
type TLSClients struct {
	// Trusted knows the authority and shows a certificate.
	Trusted adsum.Registry
	// WrongAuthority trusts another authority than the server's.
	WrongAuthority adsum.Registry
	// WrongName expects another name than the server's certificate has.
	WrongName adsum.Registry
	// NoCertificate shows none.
	NoCertificate adsum.Registry
}

func (h *Harness) withDefaults() {
	if h.TTL == 0 {
		h.TTL = 2 * time.Second
	}
	if h.Slack == 0 {
		h.Slack = 2 * time.Second
	}
	if h.Patience == 0 {
		h.Patience = 30 * time.Second
	}
}

// connect opens a client of its own for a case.
func (h *Harness) connect(t testing.TB, base string) *Client {
	t.Helper()
	if h.Connect != nil {
		return h.Connect(t, base)
	}
	var proxies []*Proxy
	var endpoints []string
	for _, endpoint := range h.Endpoints {
		p := NewProxy(t, endpoint)
		proxies = append(proxies, p)
		endpoints = append(endpoints, p.Addr())
	}
	return proxied(h.open(t, h.URL(base, endpoints...)), proxies)
}

func (h *Harness) open(t testing.TB, rawURL string) adsum.Registry {
	t.Helper()
	registry, err := h.Open(rawURL)
	if err != nil {
		t.Fatalf("open the registry: %v", err)
	}
	return registry
}

// proxied is a client whose connections all pass through proxies.
func proxied(registry adsum.Registry, proxies []*Proxy) *Client {
	all := func(do func(*Proxy)) func() {
		return func() {
			for _, p := range proxies {
				do(p)
			}
		}
	}
	return &Client{
		Registry: registry,
		Cut:      all((*Proxy).Reset), // accepted and reset, so that attempts can be counted
		Heal:     all((*Proxy).Resume),
		Freeze:   all((*Proxy).Hang),
		Thaw:     all((*Proxy).Resume),
		Attempts: func() (sum int) {
			for _, p := range proxies {
				sum += p.Accepted()
			}
			return sum
		},
	}
}
