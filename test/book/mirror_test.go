//go:build unix

package book_test

import (
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

// side is one of two registries between which copies move.
type side struct {
	product
	server servers.Server
	url    string
	client *client
}

func newSide(t *testing.T, p product) side {
	server := p.start(t, quick)
	return side{product: p, server: server, url: p.url(quick, server.Addr())}
}

// mirrors runs `adsum mirror`.
func mirrors(t *testing.T, from, to string) *process {
	t.Helper()
	return startProgram(t, "mirroring from", "adsum", "mirror", "--ttl", quick.ttl.String(), "--service", "book", from, to)
}

func TestCallersOnBothSidesOfAMirrorCallAllCopies(t *testing.T) {
	pairs := [][2]string{{"etcd", "consul"}, {"zookeeper", "eureka"}}
	sideBySide(t, pairs, func(pair [2]string) string { return pair[0] + "+" + pair[1] }, func(t *testing.T, pair [2]string) {
		one, two := newSide(t, productNamed(pair[0])), newSide(t, productNamed(pair[1]))
		limit := 30 * time.Second
		// Mirrors read the first registry by a line of their own.
		line := adsumtest.NewProxy(t, one.server.Addr())
		ttl := []string{"--ttl", quick.ttl.String()}
		startServer(t, one.url, "grpc", ttl...)
		leaver := startServer(t, two.url, "kit", ttl...)
		startServer(t, two.url, "grpc", ttl...)
		there := mirrors(t, one.product.url(quick, line.Addr()), two.url)
		mirrors(t, two.url, one.url)
		for _, s := range []*side{&one, &two} {
			s.client = startClient(t, s.name, s.url, t.TempDir())
			s.client.await(3, limit)
		}
		both := func(what string, copies int) {
			t.Helper()
			for _, s := range []side{one, two} {
				s.client.await(copies, limit)
				t.Logf("%s: callers of %s see %d copies after %d calls", what, s.name, copies, s.client.report(what))
			}
		}

		leaver.ask()
		both("a copy stopped", 2)
		for _, s := range []side{one, two} {
			for _, kind := range []string{"grpc", "kit"} {
				alternate(t, kind, callers(t, s.url, kind))
			}
		}

		line.Down()
		generation := two.client.view.Snapshot().Generation
		<-time.After(quick.ttl + 2*time.Second) // images that nobody keeps are gone by then
		if s := two.client.view.Snapshot(); s.Generation != generation || s.Stale() {
			t.Errorf("the origin is unreachable, and callers of %s see %v", two.name, s.Instances)
		}
		both("origin unreachable", 2)
		if err := line.Up(); err != nil {
			t.Fatal(err)
		}

		there.stop()
		two.client.await(1, limit)
		one.client.await(2, limit)
		one.client.report("mirror stopped")
		two.client.report("mirror stopped")
		if in := two.client.view.Snapshot().Select("", true); in[0].Metadata["adsum-origin"] != "" {
			t.Errorf("an image is left: %v", in[0])
		}
	})
}
