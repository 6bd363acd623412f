package adsumgrpc

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/adsum-go/adsum"
)

// fakeConn is a client connection that opens no connection: the test says how
// each of them is.
type fakeConn struct {
	balancer.ClientConn
	open      map[string]*fakeSubConn // by address
	opened    int
	published int
	last      balancer.State
}

func (f *fakeConn) NewSubConn(addrs []resolver.Address, opts balancer.NewSubConnOptions) (balancer.SubConn, error) {
	sub := &fakeSubConn{conn: f, addr: addrs[0].Addr, listen: opts.StateListener}
	f.open[sub.addr] = sub
	f.opened++
	return sub, nil
}

func (f *fakeConn) UpdateState(s balancer.State) { f.published, f.last = f.published+1, s }

// all tells every connection what it is.
func (f *fakeConn) all(state connectivity.State) {
	for _, sub := range f.open {
		sub.is(state)
	}
}

type fakeSubConn struct {
	balancer.SubConn
	conn     *fakeConn
	addr     string
	attempts int
	listen   func(balancer.SubConnState)
}

func (f *fakeSubConn) Connect()  { f.attempts++ }
func (f *fakeSubConn) Shutdown() { delete(f.conn.open, f.addr) }

func (f *fakeSubConn) is(state connectivity.State) {
	s := balancer.SubConnState{ConnectivityState: state}
	if state == connectivity.TransientFailure {
		s.ConnectionError = errors.New("connection refused")
	}
	f.listen(s)
}

// fed is a balancer with its resolver, without gRPC between them.
type fed struct {
	*channel
	conn       *fakeConn
	resolver   *watcher
	generation uint64
}

func newFed(t testing.TB) *fed {
	s, _ := newSettings(nil, nil)
	f := &fed{conn: &fakeConn{open: map[string]*fakeSubConn{}}}
	f.channel = balancerBuilder{}.Build(f.conn, balancer.BuildOptions{}).(*channel)
	f.resolver = &watcher{settings: s, service: "echo", cc: receiver{c: f.channel}}
	t.Cleanup(f.channel.Close)
	return f
}

func (f *fed) pass(list ...*adsum.Instance) {
	f.generation++
	f.resolver.pass(&adsum.Snapshot{Service: "echo", Instances: list, Generation: f.generation}, nil)
}

// receiver hands what a resolver says straight to a balancer.
type receiver struct {
	resolver.ClientConn
	c *channel
}

func (r receiver) UpdateState(s resolver.State) error {
	return r.c.UpdateClientConnState(balancer.ClientConnState{ResolverState: s})
}

// with returns a changed copy of an instance.
func with(in *adsum.Instance, change func(*adsum.Instance)) *adsum.Instance {
	changed := in.Clone()
	change(&changed)
	return &changed
}

// settle waits until the engine has compiled what it gathered.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

func TestAColdStartIsPublishedAFewTimesNotOncePerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFed(t)
		f.pass(instances(1000)...)
		f.conn.all(connectivity.Connecting)
		f.conn.all(connectivity.Ready)
		settle()
		if f.conn.opened != 1000 || len(f.engine.Callable()) != 1000 {
			t.Errorf("%d connections, %d callable, want 1000", f.conn.opened, len(f.engine.Callable()))
		}
		if f.conn.published > 5 {
			t.Errorf("published %d times", f.conn.published)
		}
		if f.conn.last.ConnectivityState != connectivity.Ready {
			t.Errorf("state %v", f.conn.last.ConnectivityState)
		}
	})
}

func TestAChangeOfWeightKeepsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFed(t)
		list := instances(2)
		f.pass(list...)
		f.conn.all(connectivity.Ready)
		f.pass(list[0], with(list[1], func(in *adsum.Instance) { in.Weight = 7 }))
		settle()
		if f.conn.opened != 2 || len(f.conn.open) != 2 {
			t.Errorf("%d opened, %d open, want 2", f.conn.opened, len(f.conn.open))
		}
		if got := f.engine.Callable()[1].Instance().Weight; got != 7 {
			t.Errorf("weight %d, want 7", got)
		}
	})
}

func TestACopyThatMovedIsConnectedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFed(t)
		list := instances(1)
		f.pass(list...)
		f.conn.all(connectivity.Ready)
		f.pass(with(list[0], func(in *adsum.Instance) { in.Addr = "10.9.9.9:50051" }))
		settle()
		if f.conn.open["10.9.9.9:50051"] == nil || len(f.conn.open) != 1 {
			t.Errorf("open: %v, want only the new address", f.conn.open)
		}
		if n := len(f.engine.Callable()); n != 0 {
			t.Errorf("%d callable before the new address is connected", n)
		}
		f.conn.all(connectivity.Ready)
		settle()
		if n := len(f.engine.Callable()); n != 1 {
			t.Errorf("%d callable, want 1", n)
		}
	})
}

func TestACriticalCopyKeepsItsConnectionWhileItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFed(t)
		list := instances(2)
		critical := with(list[0], func(in *adsum.Instance) { in.Status = adsum.Critical })
		f.pass(list...)
		f.conn.all(connectivity.Ready)
		sub := f.conn.open[list[0].Addr]

		f.pass(critical, list[1])
		f.pass(list...)
		settle()
		if f.conn.opened != 2 || len(f.engine.Callable()) != 2 {
			t.Errorf("%d opened, %d callable after a short illness, want 2", f.conn.opened, len(f.engine.Callable()))
		}

		f.pass(critical, list[1])
		sub.is(connectivity.Idle)
		settle()
		if f.conn.open[list[0].Addr] != nil {
			t.Error("the connection of a critical copy was kept after it broke")
		}
		f.pass(list...)
		settle()
		if again := f.conn.open[list[0].Addr]; again == nil || again.attempts != 1 {
			t.Error("not connected again when it was well")
		}
	})
}

func TestBrokenConnectionsAreMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFed(t)
		list := instances(1)
		f.pass(list...)
		sub := f.conn.open[list[0].Addr]
		for _, step := range []struct {
			now  connectivity.State
			want connectivity.State // of the channel
		}{
			{connectivity.Connecting, connectivity.Connecting},
			{connectivity.Ready, connectivity.Ready},
			{connectivity.Idle, connectivity.Connecting}, // broken: calls wait
			{connectivity.Connecting, connectivity.Connecting},
			{connectivity.TransientFailure, connectivity.TransientFailure}, // and no longer
			{connectivity.Idle, connectivity.TransientFailure},
			{connectivity.Connecting, connectivity.TransientFailure},
			{connectivity.Ready, connectivity.Ready},
		} {
			sub.is(step.now)
			settle()
			if got := f.conn.last.ConnectivityState; got != step.want {
				t.Fatalf("connection %v: channel %v, want %v", step.now, got, step.want)
			}
		}
		if sub.attempts != 3 {
			t.Errorf("%d attempts to connect, want one at first and one after each break", sub.attempts)
		}
	})
}

// instances makes n of them, sorted by id.
func instances(n int) []*adsum.Instance {
	list := make([]*adsum.Instance, n)
	for i := range list {
		in := adsum.Instance{Service: "echo", Addr: fmt.Sprintf("10.%03d.%03d.1:50051", i/250, i%250)}.WithDefaults()
		list[i] = &in
	}
	return list
}

// BenchmarkOneChange is what it costs the resolver and the balancer of one
// connection when one of n instances changes its weight.
func BenchmarkOneChange(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			f, list := newFed(b), instances(n)
			f.pass(list...)
			f.conn.all(connectivity.Ready)
			b.ReportAllocs()
			for b.Loop() {
				list = slices.Clone(list)
				list[n/2] = with(list[n/2], func(in *adsum.Instance) { in.Weight = 1 + int(f.generation%100) })
				f.pass(list...)
			}
		})
	}
}
