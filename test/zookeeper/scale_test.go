package zookeeper_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/codec"
	"github.com/adsum-go/adsum/test/following"
	"github.com/adsum-go/adsum/test/servers"
)

// fill writes instances of one service as this library does, in transactions
// of 100, and returns their names.
func fill(t testing.TB, c *zk.Conn, service string, n int) (names []string) {
	t.Helper()
	makeNode(t, c, "/services", "")
	makeNode(t, c, "/services/"+service, "")
	var ops []any
	for i := range n {
		in := adsum.Instance{Service: service, Addr: fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250+1), Zone: "eu-1", Version: "1.2.3"}.WithDefaults()
		value, err := codec.Curator.Encode(codec.Record{Instance: in, Claim: adsum.Claim{Owner: "owner", Incarnation: 1}})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, in.ID)
		ops = append(ops, &zk.CreateRequest{Path: "/services/" + service + "/" + in.ID, Data: value, Acl: zk.WorldACL(zk.PermAll)})
		if len(ops) == 100 || i == n-1 {
			if _, err := c.Multi(ops...); err != nil {
				t.Fatal(err)
			}
			ops = nil
		}
	}
	return names
}

func TestFiveThousandInstancesOfOneServiceAreFollowed(t *testing.T) {
	srv := start(t, servers.ZooKeeperOptions{})
	c := admin(t, srv)
	names := fill(t, c, "book", 5000)
	started := time.Now()
	w := startWatch(t, open(t, srv), "book")
	w.next(t, "all there", size(5000))
	t.Logf("first listing of 5000 instances: %v", time.Since(started).Round(time.Millisecond))
	started = time.Now()
	for _, name := range names[:100] { // each is seen by itself, or together with later ones
		if err := c.Delete("/services/book/"+name, -1); err != nil {
			t.Fatal(err)
		}
	}
	w.next(t, "100 gone", size(4900))
	t.Logf("100 deletions, written and seen: %v", time.Since(started).Round(time.Millisecond))
}

func BenchmarkFollowing(b *testing.B) {
	srv := start(b, servers.ZooKeeperOptions{})
	c := admin(b, srv)
	names := fill(b, c, "book", following.Instances)
	proxy := adsumtest.NewProxy(b, srv.Addr())
	following.Bench(b, proxy, openURL(b, "zk://"+proxy.Addr()+"/services", "heartbeat=5s"), func(i int, version string) error {
		value, err := codec.Curator.Encode(codec.Record{Instance: adsum.Instance{Service: "book", Addr: names[i], Version: version}.WithDefaults()})
		if err == nil {
			_, err = c.Set("/services/book/"+names[i], value, -1)
		}
		return err
	})
}
