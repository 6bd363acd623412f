package etcd_test

import (
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
)

func TestForeignReadersSeeOnlyWhatMayBeCalled(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	for _, format := range []string{"naming", "addr", "kratos", "kitex"} {
		t.Run(format, func(t *testing.T) {
			in := adsum.Instance{Service: "s-" + format, Addr: "10.0.0.1:80", Weight: 7, Zone: "eu-1", Tags: []string{"blue"},
				Metadata: map[string]string{"k": "v"}}
			reg := keep(t, open(t, srv, "codec="+format), in)
			view := look(t, open(t, srv), in.Service)
			public := "/services/" + in.Service + "/"
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
				if n := len(keysUnder(t, c, public)); (n == 1) != status.Callable() {
					t.Errorf("foreign readers see %d keys of a %s instance", n, status)
				}
			}
			if err := reg.Close(soon(t)); err != nil {
				t.Fatal(err)
			}
			if found := keysUnder(t, c, "/adsum/v1"+public); len(found) != 0 {
				t.Errorf("left behind: %v", found)
			}
		})
	}
}

func TestOwnerObeysAnOverride(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
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
	eventually(t, "gone for foreign readers", func() bool { return len(keysUnder(t, c, "/services/book/")) == 0 })
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
		return len(keysUnder(t, c, "/adsum/v1/services/book/10.0.0.1:1/record")) == 1 && len(keysUnder(t, c, "/services/book/")) == 0
	})

	if err := operator.Override(soon(t), "book", "10.0.0.1:1", adsum.Override{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "back for foreign readers", func() bool { return len(keysUnder(t, c, "/services/book/")) == 1 })
	sees(t, view, "passing", is(adsum.Passing, 1))
	if all, err := operator.Overrides(soon(t), "book"); err != nil || len(all) != 0 {
		t.Errorf("overrides: %v, %v", all, err)
	}
}

func TestForeignEntriesOfEveryFormatAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	for key, value := range map[string]string{
		"10.0.0.1:1":           "10.0.0.1:1",
		"http://10.0.0.1:2":    "http://10.0.0.1:2",
		"5986869415500457576":  "10.0.0.1:3",
		"n1":                   `{"Op":0,"Addr":"10.0.0.1:4","Metadata":{"weight":"10","zone":"eu-1"}}`,
		"book-10.0.0.1-5":      `{"id":"book-10.0.0.1-5","name":"book","version":"v1","metadata":{},"endpoints":["grpc://10.0.0.1:5"]}`,
		"10.0.0.1:6":           `{"network":"tcp","address":"10.0.0.1:6","weight":10,"tags":null}`,
		"broken":               `{"Op":0,"Addr":`,
		"terminal\x1b[31mdown": "0.0.0.0:0",
	} {
		if _, err := c.Put(soon(t), "/services/book/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	listing := startWatch(t, open(t, srv), "book").next(t, "six", size(6))
	var ids []string
	for _, in := range listing.Instances {
		ids = append(ids, in.ID)
	}
	want := []string{"10.0.0.1:1", "10.0.0.1:6", "5986869415500457576", "book-10.0.0.1-5", "http:%2F%2F10.0.0.1:2", "n1"}
	if !slices.Equal(ids, want) {
		t.Errorf("ids %q, want %q", ids, want)
	}
	if len(listing.Skipped) != 2 || listing.Skipped[0].Key != "/services/book/broken" || strings.Contains(listing.Skipped[1].Key, "\x1b") {
		t.Errorf("skipped %q", listing.Skipped)
	}
	remover := open(t, srv).(adsum.Remover)
	if err := remover.Remove(soon(t), "book", "http:%2F%2F10.0.0.1:2"); err != nil {
		t.Errorf("remove of a foreign key: %v", err)
	}
}

func TestServicesAreListedAndWatched(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
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
	if _, err := c.Put(soon(t), "/services/b/10.0.0.1:2", "10.0.0.1:2"); err != nil {
		t.Fatal(err)
	}
	sees("a", "b")
	if err := a.Update(soon(t), adsum.Instance{Service: "a", Addr: "10.0.0.1:1"}); err != nil { // moves to the public prefix
		t.Fatal(err)
	}
	if err := r.(adsum.Overrider).Override(soon(t), "c", "x", adsum.Override{Weight: 2}); err != nil { // makes no service
		t.Fatal(err)
	}
	if _, err := c.Delete(soon(t), "/services/b/", clientv3.WithPrefix()); err != nil {
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
