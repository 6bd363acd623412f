package etcdserver_test

import (
	"math"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/cmd/adsum/internal/etcdserver"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func start(t *testing.T, config etcdserver.Config) *etcdserver.Server {
	t.Helper()
	s, err := etcdserver.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, s *etcdserver.Server) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.Addr()}, DialTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// fastest is the best of up to five times, so that a machine which is busy with
// something else does not fail who is fast.
func fastest(t *testing.T, limit time.Duration, once func() time.Duration) {
	t.Helper()
	best := time.Duration(math.MaxInt64)
	for range 5 {
		if best = min(best, once()); best <= limit {
			t.Logf("took %s", best)
			return
		}
	}
	t.Errorf("took %s at best, want %s at most", best, limit)
}

func TestStartIsReadyForWritesWellUnderASecond(t *testing.T) {
	fastest(t, time.Second/2, func() time.Duration {
		began := time.Now()
		s := start(t, etcdserver.Config{})
		defer s.Close()
		if _, err := connect(t, s).Put(t.Context(), "k", "v"); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	})
}

func TestCloseDoesNotWaitForClients(t *testing.T) {
	fastest(t, time.Second/2, func() time.Duration {
		s := start(t, etcdserver.Config{})
		for range 10 {
			c := connect(t, s)
			lease, err := c.Grant(t.Context(), 60)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.KeepAlive(t.Context(), lease.ID); err != nil {
				t.Fatal(err)
			}
			<-c.Watch(t.Context(), "k", clientv3.WithCreatedNotify())
		}
		began := time.Now()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	})
}

func TestDataSurvivesARestartOnAnotherPort(t *testing.T) {
	dir := t.TempDir()
	first := start(t, etcdserver.Config{Dir: dir})
	if _, err := connect(t, first).Put(t.Context(), "k", "kept"); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := start(t, etcdserver.Config{Dir: dir})
	defer second.Close()
	got, err := connect(t, second).Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "kept" {
		t.Errorf("after the restart: %v", got.Kvs)
	}
}

func TestShortLeasesAreGranted(t *testing.T) {
	s := start(t, etcdserver.Config{})
	defer s.Close()
	lease, err := connect(t, s).Grant(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if lease.TTL != 1 {
		t.Errorf("asked for 1 s, granted %d s", lease.TTL)
	}
}
