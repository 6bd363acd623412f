package etcd_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/codec"
	"github.com/adsum-go/adsum/test/following"
	"github.com/adsum-go/adsum/test/servers"
)

func instance(service string, i int) adsum.Instance {
	return adsum.Instance{Service: service, Addr: fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250+1), Zone: "eu-1", Version: "1.2.3", Status: adsum.Passing}
}

// fill writes instances as this library does, in transactions of 100.
func fill(t testing.TB, c *clientv3.Client, services, each int) {
	t.Helper()
	var ops []clientv3.Op
	flush := func() {
		if len(ops) > 0 {
			if _, err := c.Txn(soon(t)).Then(ops...).Commit(); err != nil {
				t.Fatal(err)
			}
		}
		ops = ops[:0]
	}
	for s := range services {
		for i := range each {
			in := instance(fmt.Sprintf("s%d", s), i).WithDefaults()
			value, err := codec.Naming.Encode(codec.Record{Instance: in, Claim: adsum.Claim{Owner: "owner", Incarnation: 1}})
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, clientv3.OpPut("/services/"+in.Service+"/"+in.ID, string(value)))
			if len(ops) == 100 {
				flush()
			}
		}
	}
	flush()
}

func TestTenThousandInstancesOfOneServiceAreFollowed(t *testing.T) {
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	fill(t, c, 1, 10_000)
	started := time.Now()
	w := startWatch(t, open(t, srv), "s0")
	w.next(t, "all there", size(10_000))
	t.Logf("first listing of 10 000 instances: %v", time.Since(started))
	started = time.Now()
	for i := range 100 { // each is seen by itself, or together with later ones
		if _, err := c.Delete(soon(t), "/services/s0/"+instance("s0", i).Addr); err != nil {
			t.Fatal(err)
		}
	}
	w.next(t, "100 gone", size(9_900))
	t.Logf("100 deletions, written and seen: %v", time.Since(started))
}

func BenchmarkFollowing(b *testing.B) {
	srv := servers.StartEtcd(b, servers.EtcdOptions{})
	c := admin(b, srv)
	write := func(i int, version string) error {
		in := instance("book", i).WithDefaults()
		in.Version = version
		value, err := codec.Naming.Encode(codec.Record{Instance: in})
		if err == nil {
			_, err = c.Put(soon(b), "/services/book/"+in.ID, string(value))
		}
		return err
	}
	for i := range following.Instances {
		if err := write(i, "1.2.3"); err != nil {
			b.Fatal(err)
		}
	}
	proxy := adsumtest.NewProxy(b, srv.Addr())
	following.Bench(b, proxy, openURL(b, "etcd://"+proxy.Addr()+"/services", "heartbeat=5s"), write)
}

// BenchmarkFirstListing reports the time until a Directory knows everything,
// and the memory that it then holds.
func BenchmarkFirstListing(b *testing.B) {
	for _, shape := range []struct{ services, each int }{{1, 10_000}, {1000, 10}} {
		b.Run(fmt.Sprintf("%dx%d", shape.services, shape.each), func(b *testing.B) {
			srv := servers.StartEtcd(b, servers.EtcdOptions{})
			fill(b, admin(b, srv), shape.services, shape.each)
			for b.Loop() {
				r := open(b, srv, "heartbeat=5s")
				before := heap()
				dir := adsum.NewDirectory(r, adsum.WithLogger(quiet))
				var all sync.WaitGroup
				for s := range shape.services {
					all.Go(func() {
						snapshot, err := dir.Snapshot(soon(b), fmt.Sprintf("s%d", s))
						if err != nil || len(snapshot.Instances) != shape.each {
							b.Errorf("s%d: %v, %v", s, snapshot, err)
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(heap()-before)/1e6, "MB-held")
				b.ReportMetric(idle(5*time.Second)*100, "%CPU-idle")
				if err := dir.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOneChange reports the time from a write to the snapshot that shows it.
func BenchmarkOneChange(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			srv := servers.StartEtcd(b, servers.EtcdOptions{})
			c := admin(b, srv)
			fill(b, c, 1, n)
			listings := make(chan adsum.Listing, 16)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			r := open(b, srv, "heartbeat=1h")
			go func() { _ = r.Watch(ctx, "s0", func(l adsum.Listing) { listings <- l }) }()
			<-listings
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				in := instance("s0", 5).WithDefaults()
				in.Weight = i%2 + 2
				value, err := codec.Naming.Encode(codec.Record{Instance: in})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Put(ctx, "/services/s0/"+in.ID, string(value)); err != nil {
					b.Fatal(err)
				}
				<-listings
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// idle returns the share of one core that this process uses while nothing
// happens.
func idle(over time.Duration) float64 {
	before := cpu()
	<-time.After(over) // what is measured, not waited for
	return float64(cpu()-before) / float64(over)
}

func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
