package zookeeper_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
)

func TestForeignReadersSeeOnlyWhatMayBeCalled(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	c := admin(t, srv)
	for _, format := range []string{"curator", "spring", "addr", "kratos"} {
		t.Run(format, func(t *testing.T) {
			in := adsum.Instance{Service: "s-" + format, Addr: "10.0.0.1:80", Weight: 7, Zone: "eu-1", Tags: []string{"blue"},
				Metadata: map[string]string{"k": "v"}}
			reg := keep(t, open(t, srv, "codec="+format), in)
			view := look(t, open(t, srv), in.Service)
			public := "/services/" + in.Service
			for _, status := range adsum.Statuses() {
				if err := reg.SetStatus(status, "because"); err != nil {
					t.Fatal(err)
				}
				in.Status, in.Reason = status, "because"
				sees(t, view, string(status), func(s *adsum.Snapshot) bool {
					got, ok := s.Get("10.0.0.1:80")
					want := in.WithDefaults()
					return ok && got.Equal(&want)
				})
				if n := len(nodesUnder(t, c, public)); (n == 1) != status.Callable() {
					t.Errorf("foreign readers see %d nodes of a %s instance", n, status)
				}
			}
			if err := reg.Close(soon(t)); err != nil {
				t.Fatal(err)
			}
			if found := nodesUnder(t, c, "/adsum/v1/records"+public); len(found) != 0 {
				t.Errorf("left behind: %v", found)
			}
		})
	}
}

func TestOwnerObeysAnOverride(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	r, c := open(t, srv), admin(t, srv)
	keep(t, r, book(1))
	operator := open(t, srv).(adsum.Overrider)
	view := look(t, open(t, srv), "book")
	is := func(status adsum.Status, weight int) func(*adsum.Snapshot) bool {
		return func(s *adsum.Snapshot) bool {
			in, ok := s.Get("10.0.0.1:1")
			return ok && in.Status == status && in.Weight == weight
		}
	}

	drain := adsum.Override{Status: adsum.Draining, Weight: 3, Reason: "upgrade"}
	if err := operator.Override(soon(t), "book", "10.0.0.1:1", drain); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone for foreign readers", func() bool { return len(nodesUnder(t, c, "/services/book")) == 0 })
	sees(t, view, "draining", is(adsum.Draining, 3))
	if in, _ := view.Snapshot().Get("10.0.0.1:1"); in.Reported != adsum.Passing || in.Reason != "upgrade" {
		t.Errorf("got %+v", in)
	}
	if all, err := operator.Overrides(soon(t), "book"); err != nil || len(all) != 1 || all["10.0.0.1:1"] != drain {
		t.Errorf("overrides: %v, %v", all, err)
	}

	// It outlives the record and meets the next owner.
	if err := r.(adsum.Remover).Remove(soon(t), "book", "10.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "registered again, and hidden still", func() bool {
		return len(nodesUnder(t, c, "/adsum/v1/records/services/book")) == 1 && len(nodesUnder(t, c, "/services/book")) == 0
	})

	if err := operator.Override(soon(t), "book", "10.0.0.1:1", adsum.Override{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "back for foreign readers", func() bool { return len(nodesUnder(t, c, "/services/book")) == 1 })
	sees(t, view, "passing", is(adsum.Passing, 1))
	if all, err := operator.Overrides(soon(t), "book"); err != nil || len(all) != 0 {
		t.Errorf("overrides: %v, %v", all, err)
	}
}

func TestForeignEntriesOfEveryFormatAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	c := admin(t, srv)
	makeNode(t, c, "/services", "")
	makeNode(t, c, "/services/book", "")
	for name, value := range map[string]string{
		"_c_862cc8f1dbbd9ceba51d5d2d3ebe1265-0000000001": "10.0.0.1:1",
		"book-10.0.0.1-2": `{"id":"book-10.0.0.1-2","name":"book","version":"v1","metadata":{},"endpoints":["grpc://10.0.0.1:2"]}`,
		"kazoo":           `{"name":"book","id":"kazoo","address":"10.0.0.1","port":3,"sslPort":null,"payload":{"zone":"eu-1"},"serviceType":"DYNAMIC","uriSpec":null,"enabled":true}`,
		"odd name":        "http://10.0.0.1:4",
		"spring":          `{"name":"book","id":"spring","address":"10.0.0.1","port":5,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","metadata":{"instance_status":"OUT_OF_SERVICE"}}}`,
		"broken":          `{"address":`,
		"terminal":        "\x1b[31m0.0.0.0:0",
		"locks":           "",
	} {
		makeNode(t, c, "/services/book/"+name, value)
	}
	listing := startWatch(t, open(t, srv), "book").next(t, "five", size(5))
	var ids []string
	for _, in := range listing.Instances {
		ids = append(ids, in.ID)
	}
	want := []string{"_c_862cc8f1dbbd9ceba51d5d2d3ebe1265-0000000001", "book-10.0.0.1-2", "kazoo", "odd%20name", "spring"}
	if !slices.Equal(ids, want) {
		t.Errorf("ids %q, want %q", ids, want)
	}
	if len(listing.Skipped) != 3 || strings.Contains(fmt.Sprint(listing.Skipped), "\x1b") {
		t.Errorf("skipped %q", listing.Skipped)
	}
	remover := open(t, srv).(adsum.Remover)
	if err := remover.Remove(soon(t), "book", "odd%20name"); err != nil {
		t.Errorf("remove of a foreign node: %v", err)
	}
}

func makeNode(t testing.TB, c *zk.Conn, path, value string) {
	t.Helper()
	if _, err := c.Create(path, []byte(value), 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
		t.Fatalf("%q: %v", path, err)
	}
}

func TestDirectoryThatVanishesAndComesBackIsFollowed(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	c := admin(t, srv)
	w := startWatch(t, open(t, srv), "book")
	w.next(t, "empty", size(0))
	for range 3 {
		makeNode(t, c, "/services", "")
		makeNode(t, c, "/services/book", "")
		makeNode(t, c, "/services/book/a", "10.0.0.1:1")
		w.next(t, "there", size(1))
		for _, path := range []string{"/services/book/a", "/services/book", "/services"} {
			if err := c.Delete(path, -1); err != nil {
				t.Fatal(err)
			}
		}
		w.next(t, "gone", size(0))
	}
}

func TestEmptyDirectoriesDoNotStay(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{JavaArgs: []string{"-Dznode.container.checkIntervalMs=100"}})
	r, c := open(t, srv), admin(t, srv)
	w := startWatch(t, open(t, srv), "book")
	for range 2 {
		l := lease(t, r, book(1), adsum.Claim{Owner: "o"})
		w.next(t, "there", size(1))
		if err := l.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		w.next(t, "gone", size(0))
		eventually(t, "is the directory gone", func() bool {
			there, _, err := c.Exists("/services/book")
			return err == nil && !there
		})
	}
}

func TestServicesAreListedAndWatched(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	r, c := open(t, srv), admin(t, srv)
	names := make(chan []string, 100)
	go func() {
		_ = r.(adsum.ServiceWatcher).WatchServices(t.Context(), func(services []string) { names <- services })
	}()
	sees := func(want ...string) {
		t.Helper()
		for {
			select {
			case got := <-names:
				if slices.Equal(got, want) {
					return
				}
			case <-soon(t).Done():
				t.Fatalf("never saw %q", want)
			}
		}
	}
	sees()
	a := lease(t, r, adsum.Instance{Service: "a", Addr: "10.0.0.1:1", Status: adsum.Critical}, adsum.Claim{Owner: "o"})
	sees("a")
	makeNode(t, c, "/services/b", "")
	makeNode(t, c, "/services/b/10.0.0.1:2", "10.0.0.1:2")
	sees("a", "b")
	if err := a.Update(soon(t), adsum.Instance{Service: "a", Addr: "10.0.0.1:1"}); err != nil { // moves to the public directory
		t.Fatal(err)
	}
	if err := r.(adsum.Overrider).Override(soon(t), "c", "x", adsum.Override{Weight: 2}); err != nil { // makes no service
		t.Fatal(err)
	}
	if err := c.Delete("/services/b/10.0.0.1:2", -1); err != nil {
		t.Fatal(err)
	}
	for len(names) > 0 {
		if got := <-names; !slices.Contains(got, "a") {
			t.Errorf("a vanished while it moved: %q", got)
		}
	}
	sees("a")
	if err := a.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	sees()
}
