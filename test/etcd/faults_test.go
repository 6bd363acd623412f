package etcd_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

func TestDeletionsThatWereCompactedAwayAreNotMissed(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	proxy := adsumtest.NewProxy(t, srv.Addr())
	for i := 1; i <= 3; i++ {
		if _, err := c.Put(soon(t), fmt.Sprintf("/services/book/10.0.0.1:%d", i), fmt.Sprintf("10.0.0.1:%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	view := look(t, openURL(t, "etcd://"+proxy.Addr()+"/services"), "book")
	sees(t, view, "all three", has("10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"))

	proxy.Down()
	sees(t, view, "stale, with the last known good", func(s *adsum.Snapshot) bool { return s.Stale() && len(s.Instances) == 3 })
	gone, err := c.Delete(soon(t), "/services/book/10.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	last, err := c.Put(soon(t), "/services/book/10.0.0.1:4", "10.0.0.1:4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compact(soon(t), last.Header.Revision); err != nil {
		t.Fatalf("compact beyond %d: %v", gone.Header.Revision, err)
	}
	if err := proxy.Up(); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "what changed meanwhile", has("10.0.0.1:1", "10.0.0.1:3", "10.0.0.1:4"))
}

func TestRestoreFromAnOlderSnapshotIsNoticed(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r := open(t, srv)
	keep(t, r, book(1))
	view := look(t, open(t, srv), "book")
	sees(t, view, "the first", has("10.0.0.1:1"))
	snapshot, err := srv.Backup()
	if err != nil {
		t.Fatal(err)
	}
	reg2 := keep(t, r, book(2)) // not in the backup
	sees(t, view, "both", has("10.0.0.1:1", "10.0.0.1:2"))
	c := admin(t, srv)
	for i := range 100 {
		if _, err := c.Put(soon(t), "filler", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	srv.Restore(snapshot)
	eventually(t, "registered in the restored registry", func() bool { return len(keysUnder(t, c, "/services/book/")) == 2 })
	sees(t, view, "both again", has("10.0.0.1:1", "10.0.0.1:2"))
	if err := reg2.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "a change after the restore, below the old revision", has("10.0.0.1:1"))
}

func TestWipedRegistryIsFilledAgainAndWatchersHear(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	r := open(t, srv)
	reg1 := keep(t, r, book(1))
	keep(t, r, book(2))
	view := look(t, open(t, srv), "book")
	sees(t, view, "both", has("10.0.0.1:1", "10.0.0.1:2"))
	started := time.Now()
	srv.Wipe()
	sees(t, view, "both again", func(s *adsum.Snapshot) bool {
		return has("10.0.0.1:1", "10.0.0.1:2")(s) && s.SyncedAt.After(started)
	})
	registered(t, reg1)
	for _, status := range []adsum.Status{adsum.Critical, adsum.Passing} {
		if err := reg1.SetStatus(status, ""); err != nil {
			t.Fatal(err)
		}
		sees(t, view, "a change after the wipe", func(s *adsum.Snapshot) bool {
			in, ok := s.Get("10.0.0.1:1")
			return ok && in.Status == status
		})
	}
	if err := reg1.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "a deletion after the wipe", has("10.0.0.1:2"))
}

func TestFrozenServerEndsTheWatchWithinTwoHeartbeats(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	w := startWatch(t, open(t, srv), "book")
	w.next(t, "there", size(0))
	srv.Freeze()
	frozen := time.Now()
	w.fails(t, adsum.ErrSilent)
	if took := time.Since(frozen); took > 2*time.Second+500*time.Millisecond { // the heartbeat is 1 s
		t.Errorf("it took %v", took)
	}
	srv.Thaw()
	startWatch(t, open(t, srv), "book").next(t, "there again", size(0))
}

func TestIdleWatchGivesProofOfLife(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	w := startWatch(t, open(t, srv), "book")
	for range 5 {
		started := time.Now()
		w.next(t, "alive", size(0))
		if silence := time.Since(started); silence > time.Second+200*time.Millisecond {
			t.Errorf("silent for %v with a heartbeat of 1 s", silence)
		}
	}
}

func TestOutageShorterThanTheTTLIsNoLoss(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	reg := keep(t, open(t, srv), book(1))
	view := look(t, open(t, srv), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	srv.Restart()
	sees(t, view, "it again", has("10.0.0.1:1"))
	if state := reg.State(); state.Lost != 0 || !state.Registered {
		t.Errorf("lost %d times, registered %t, %v", state.Lost, state.Registered, state.LastError)
	}
}

func TestOutageLongerThanTheTTLMovesTheRecordToANewLease(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	reg := keep(t, open(t, srv), book(1))
	srv.Kill()
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return s.Lost == 1 }); err != nil {
		t.Fatal(err)
	}
	srv.Start() // grants the old lease its full TTL again
	registered(t, reg)
	eventually(t, "on one lease", func() bool {
		leases, err := c.Leases(soon(t))
		return err == nil && len(leases.Leases) == 1
	})
	if len(keysUnder(t, c, "/services/book/")) != 1 {
		t.Error("the record went with the old lease")
	}
}

func TestClusterWithoutALeaderEndsTheWatchAndRecovers(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{Members: 3})
	reg := keep(t, open(t, srv), book(1))
	view := look(t, open(t, srv), "book")
	sees(t, view, "it", has("10.0.0.1:1"))

	srv.Member(1).Kill()
	srv.Member(2).Kill()
	sees(t, view, "stale, with the last known good", func(s *adsum.Snapshot) bool { return s.Stale() && len(s.Instances) == 1 })
	srv.Member(1).Start()
	sees(t, view, "fresh again", has("10.0.0.1:1"))
	registered(t, reg)
	if err := reg.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "a change", has())
}

func TestOneFrozenMemberOfThreeIsLeft(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{Members: 3})
	r := open(t, srv)
	view := look(t, open(t, srv), "book")
	sees(t, view, "none", has())
	for i := range 3 { // each client is on one of them
		srv.Member(i).Freeze()
		frozen := time.Now()
		reg := keep(t, r, book(i+1))
		sees(t, view, "the registration", has(fmt.Sprintf("10.0.0.1:%d", i+1)))
		t.Logf("member %d frozen: registered and seen after %v", i, time.Since(frozen).Round(time.Millisecond))
		if err := reg.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		sees(t, view, "the withdrawal", has())
		srv.Member(i).Thaw()
	}
}

func TestFirstEndpointMayBeDown(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{Members: 3})
	srv.Member(0).Kill()
	keep(t, open(t, srv), book(1))
	sees(t, look(t, open(t, srv), "book"), "it", has("10.0.0.1:1"))
}

func TestCrashedOwnerIsGoneWithinTheDeclaredTime(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	owner := open(t, srv)
	lease(t, owner, book(1), adsum.Claim{Owner: "o"})
	view := look(t, open(t, srv), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	if err := owner.Close(); err != nil { // keeps nothing alive and withdraws nothing: a crash
		t.Fatal(err)
	}
	crashed := time.Now()
	if len(keysUnder(t, c, "/services/book/")) != 1 {
		t.Error("close of the registry withdrew the record")
	}
	sees(t, view, "it gone", has())
	if limit, _ := owner.Capabilities().Detection(ttl); time.Since(crashed) > limit {
		t.Errorf("it took %v, declared is %v", time.Since(crashed), limit)
	}
}

func TestLeaseRevokedOnTheServerIsLostAndTakenAnew(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	reg := keep(t, open(t, srv), book(1))
	leases, err := c.Leases(soon(t))
	if err != nil || len(leases.Leases) != 1 {
		t.Fatalf("%v, %v", leases, err)
	}
	if _, err := c.Revoke(soon(t), leases.Leases[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := reg.Wait(soon(t), func(s adsum.RegistrationState) bool { return s.Lost == 1 && s.Registered }); err != nil {
		t.Fatal(err)
	}
	if state := reg.State(); !errors.Is(state.LastError, adsum.ErrLeaseLost) {
		t.Errorf("last error %v", state.LastError)
	}
}

func TestClientOfTheProgramsOwnWorksAndStaysOpen(t *testing.T) {
	t.Parallel()
	srv := servers.StartEtcd(t, servers.EtcdOptions{})
	c := admin(t, srv)
	r := wrap(t, c)
	l := lease(t, r, book(1), adsum.Claim{Owner: "o"})
	startWatch(t, r, "book").next(t, "there", size(1))
	if err := l.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(soon(t), "x", clientv3.WithCountOnly()); err != nil {
		t.Errorf("the client does not work any more: %v", err)
	}
}
