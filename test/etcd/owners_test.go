package etcd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
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
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
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
	found := keysUnder(t, c, "/services/book/")
	if !strings.Contains(found["/services/book/10.0.0.1:1"], `"younger"`) {
		t.Errorf("left is %v", found)
	}
	if err := younger.Update(soon(t), book(1)); err != nil {
		t.Errorf("update of the younger: %v", err)
	}
	if err := younger.Close(soon(t)); err != nil {
		t.Error(err)
	}
	if found := keysUnder(t, c, "/"); len(found) != 0 {
		t.Errorf("left behind: %v", found)
	}
}

func TestAWipeDoesNotMakeAnOldOwnerYoung(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r, other, c := open(t, srv), open(t, srv), admin(t, srv)
	for i := range 50 { // a high revision for the old owner
		if _, err := c.Put(soon(t), "filler", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	old := lease(t, r, book(1), adsum.Claim{Owner: "old"})
	srv.Wipe()
	lost(t, old, adsum.ErrLeaseLost)

	fresh := lease(t, other, book(1), adsum.Claim{Owner: "fresh"})
	if fresh.Claim().Incarnation >= old.Claim().Incarnation {
		t.Fatalf("fresh %d, old %d: not the case to test", fresh.Claim().Incarnation, old.Claim().Incarnation)
	}
	back := func() error {
		_, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl, Claim: old.Claim()})
		return err
	}
	// It takes until the other one's lease was seen to be renewed.
	eventually(t, "superseded beyond the registry's revision", func() bool { return errors.Is(back(), adsum.ErrSuperseded) })
	for i := range 100 { // now the revision overtakes the old claim
		if _, err := c.Put(soon(t), "filler", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := back(); !errors.Is(err, adsum.ErrSuperseded) {
		t.Errorf("overtaken by the registry's revision: %v", err)
	}
	if err := fresh.Close(soon(t)); err != nil {
		t.Error(err)
	}
	if err := back(); err != nil {
		t.Errorf("to an empty place: %v", err)
	}
}

func TestABackupThatBringsBackADeadOwnerStopsNobody(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	crashed := open(t, srv)
	lease(t, crashed, book(1), adsum.Claim{Owner: "crashed"})
	snapshot, err := srv.Backup()
	if err != nil {
		t.Fatal(err)
	}
	if err := crashed.Close(); err != nil { // without withdrawing
		t.Fatal(err)
	}
	reg := keep(t, open(t, srv), book(1)) // the same copy, started again
	incarnation := func() string { return keysUnder(t, admin(t, srv), "/services/book/")["/services/book/10.0.0.1:1"] }
	present := incarnation()
	srv.Restore(snapshot)
	if strings.Contains(present, "crashed") || !strings.Contains(incarnation(), "crashed") {
		t.Fatalf("not the case to test: %s", present)
	}
	eventually(t, "is the live owner's record back", func() bool { return incarnation() == present })
	registered(t, reg)
	if state := reg.State(); state.Superseded {
		t.Error("a dead owner superseded a live one")
	}
}

func TestOwnRecordThatSomebodyDeletesIsRestored(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r, c := open(t, srv), admin(t, srv)
	reg := keep(t, r, book(1))
	key := "/services/book/10.0.0.1:1"
	for name, spoil := range map[string]func() error{
		"deleted":             func() error { _, err := c.Delete(soon(t), key); return err },
		"overwritten by hand": func() error { _, err := c.Put(soon(t), key, "10.0.0.9:9"); return err },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "restored after being "+name, func() bool {
			return strings.Contains(keysUnder(t, c, key)[key], `"Addr":"10.0.0.1:1"`)
		})
		registered(t, reg)
	}
}

func TestForeignProgramThatTakesTheKeySupersedes(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r, c := open(t, srv), admin(t, srv)
	ours := lease(t, r, book(1), adsum.Claim{Owner: "ours"})
	grant, err := c.Grant(soon(t), 60)
	if err != nil {
		t.Fatal(err)
	}
	key := "/services/book/10.0.0.1:1"
	if _, err := c.Put(soon(t), key, "10.0.0.1:1", clientv3.WithLease(grant.ID)); err != nil {
		t.Fatal(err)
	}
	lost(t, ours, adsum.ErrSuperseded)
	if _, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl, Claim: ours.Claim()}); !errors.Is(err, adsum.ErrSuperseded) {
		t.Errorf("return: %v", err)
	}
	if found := keysUnder(t, c, "/"); found[key] != "10.0.0.1:1" || len(found) != 1 {
		t.Errorf("left is %v", found)
	}
}

func TestReturningOwnerMovesItsRecordWithoutAGap(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r, c := open(t, srv), admin(t, srv)
	first := lease(t, r, book(1), adsum.Claim{Owner: "a"})
	events := c.Watch(t.Context(), "/services/book/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-events
	second := lease(t, r, book(1), first.Claim())
	if second.Claim() != first.Claim() {
		t.Errorf("claim %v, was %v", second.Claim(), first.Claim())
	}
	eventually(t, "is the old lease revoked", func() bool {
		leases, err := c.Leases(soon(t))
		return err == nil && len(leases.Leases) == 1
	})
	for put := false; !put; {
		select {
		case answer := <-events:
			for _, e := range answer.Events {
				put = true
				if e.Type == clientv3.EventTypeDelete {
					t.Error("the record blinked")
				}
			}
		case <-soon(t).Done():
			t.Fatal("nothing was written")
		}
	}
	if len(keysUnder(t, c, "/services/book/")) != 1 {
		t.Error("the record went with the old lease")
	}
}

func TestUpdatesAreNeverSeenHalf(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	for _, format := range []string{"naming", "addr"} {
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

func TestFailedRegistrationLeavesNothing(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r, c := open(t, srv), admin(t, srv)
	keeper := lease(t, r, book(1), adsum.Claim{Owner: "keeper"})
	if _, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl, Claim: adsum.Claim{Owner: "late", Incarnation: 1}}); !errors.Is(err, adsum.ErrSuperseded) {
		t.Fatalf("got %v", err)
	}
	eventually(t, "is its lease revoked", func() bool {
		leases, err := c.Leases(soon(t))
		return err == nil && len(leases.Leases) == 1
	})
	if err := keeper.Close(soon(t)); err != nil {
		t.Error(err)
	}
}
