package zookeeper_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

func lost(t *testing.T, l adsum.Lease, want error) {
	t.Helper()
	select {
	case <-l.Lost():
		if !errors.Is(l.Err(), want) {
			t.Errorf("lost with %v, want %v", l.Err(), want)
		}
	case <-soon(t).Done():
		t.Fatal("the lease was not lost")
	}
}

func TestYoungerOwnerTakesOverAndItsRecordStays(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	r, c := open(t, srv), admin(t, srv)
	older := lease(t, r, book(1), adsum.Claim{Owner: "older"})
	younger := lease(t, r, book(1), adsum.Claim{Owner: "younger"})
	if older.Claim().Incarnation >= younger.Claim().Incarnation {
		t.Errorf("older %d, younger %d", older.Claim().Incarnation, younger.Claim().Incarnation)
	}
	lost(t, older, adsum.ErrSuperseded)
	if err := older.Update(soon(t), book(1)); !errors.Is(err, adsum.ErrSuperseded) {
		t.Errorf("update of the older: %v", err)
	}
	if err := errors.Join(older.Close(soon(t)), older.Close(soon(t))); err != nil {
		t.Errorf("close of the older: %v", err)
	}
	if _, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl, Claim: older.Claim()}); !errors.Is(err, adsum.ErrSuperseded) {
		t.Errorf("return of the older: %v", err)
	}
	found := nodesUnder(t, c, "/services/book")
	if !strings.Contains(found["10.0.0.1:1"], `"younger"`) {
		t.Errorf("left is %v", found)
	}
	if err := younger.Update(soon(t), book(1)); err != nil {
		t.Errorf("update of the younger: %v", err)
	}
	if err := younger.Close(soon(t)); err != nil {
		t.Error(err)
	}
	if found := nodesUnder(t, c, "/services/book"); len(found) != 0 {
		t.Errorf("left behind: %v", found)
	}
}

func TestUpdatesAreNeverSeenHalf(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	for _, format := range []string{"curator", "addr"} {
		r := open(t, srv, "codec="+format)
		in := book(1)
		in.Service = format
		l := lease(t, r, in, adsum.Claim{Owner: "a"})
		w := startWatch(t, open(t, srv), format)
		w.next(t, "there", size(1))
		statuses := []adsum.Status{adsum.Critical, adsum.Passing, adsum.Draining, adsum.Warning, adsum.Starting}
		for i := range 200 {
			in.Status, in.Weight = statuses[i%len(statuses)], i+1
			if err := l.Update(soon(t), in); err != nil {
				t.Fatal(err)
			}
		}
		for last := 0; last < 200; {
			listing := w.next(t, "updated", func(adsum.Listing) bool { return true })
			if len(listing.Instances) != 1 {
				t.Fatalf("%s: %d instances after weight %d", format, len(listing.Instances), last)
			}
			got := listing.Instances[0]
			if got.Weight < last || got.Weight > 1 && got.Status != statuses[(got.Weight-1)%len(statuses)] {
				t.Errorf("%s: went from weight %d to %d, %s", format, last, got.Weight, got.Status)
			}
			last = got.Weight
		}
	}
}

func TestOwnRecordThatSomebodyDeletesIsRestored(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	c := admin(t, srv)
	reg := keep(t, open(t, srv), book(1))
	node := "/services/book/10.0.0.1:1"
	for name, spoil := range map[string]func() error{
		"deleted":             func() error { return c.Delete(node, -1) },
		"overwritten by hand": func() error { _, err := c.Set(node, []byte("10.0.0.9:9"), -1); return err },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "restored after being "+name, func() bool {
			return strings.Contains(nodesUnder(t, c, "/services/book")["10.0.0.1:1"], `"address":"10.0.0.1"`)
		})
		registered(t, reg)
	}
}

func TestForeignProgramThatTakesTheNodeSupersedes(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	r, c := open(t, srv), admin(t, srv)
	ours := lease(t, r, book(1), adsum.Claim{Owner: "ours"})
	node := "/services/book/10.0.0.1:1"
	_, err := c.Multi(&zk.DeleteRequest{Path: node, Version: -1},
		&zk.CreateRequest{Path: node, Data: []byte("10.0.0.1:1"), Acl: zk.WorldACL(zk.PermAll), Flags: zk.FlagEphemeral})
	if err != nil {
		t.Fatal(err)
	}
	lost(t, ours, adsum.ErrSuperseded)
	if _, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl, Claim: ours.Claim()}); !errors.Is(err, adsum.ErrSuperseded) {
		t.Errorf("return: %v", err)
	}
	if found := nodesUnder(t, c, "/services/book"); found["10.0.0.1:1"] != "10.0.0.1:1" || len(found) != 1 {
		t.Errorf("left is %v", found)
	}
}

func TestFastRestartTakesOverTheStaleNodeWithoutAGap(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	proxy := adsumtest.NewProxy(t, srv.Addr())
	crashed := openURL(t, "zk://"+proxy.Addr()+"/services")
	lease(t, crashed, book(1), adsum.Claim{Owner: "crashed"})
	w := startWatch(t, open(t, srv), "book")
	w.next(t, "there", size(1))
	proxy.Down() // its session lives on at the server
	in := book(1)
	in.Version = "restarted"
	lease(t, open(t, srv), in, adsum.Claim{Owner: "restarted"})
	w.next(t, "the new one, and never none", func(l adsum.Listing) bool {
		if len(l.Instances) != 1 {
			t.Errorf("%d instances", len(l.Instances))
		}
		return l.Instances[0].Version == "restarted"
	})
}

func TestABackupThatBringsBackADeadOwnerStopsNobody(t *testing.T) {
	t.Parallel()
	srv := start(t, servers.ZooKeeperOptions{})
	crashed := open(t, srv)
	lease(t, crashed, book(1), adsum.Claim{Owner: "crashed"})
	backup, err := srv.Backup()
	if err != nil {
		t.Fatal(err)
	}
	if err := crashed.Close(); err != nil {
		t.Fatal(err)
	}
	reg := keep(t, open(t, srv), book(1)) // the same copy, started again
	record := func() string { return nodesUnder(t, admin(t, srv), "/services/book")["10.0.0.1:1"] }
	present := record()
	if err := srv.Restore(backup); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(present, "crashed") || !strings.Contains(record(), "crashed") {
		t.Fatalf("not the case to test: %s", present)
	}
	eventually(t, "is the live owner's record back", func() bool { return !strings.Contains(record(), "crashed") && record() != "" })
	registered(t, reg)
	if state := reg.State(); state.Superseded {
		t.Error("a dead owner superseded a live one")
	}
}
