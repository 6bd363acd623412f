package adsum_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

func registered(s adsum.RegistrationState) bool { return s.Registered }

func TestARegistrationIsSeenByADirectoryAndWithdrawnOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		registry := memory.New()
		reg, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reg.Wait(ctx, registered); err != nil {
			t.Fatal(err)
		}
		dir := adsum.NewDirectory(registry, adsum.WithCache(t.TempDir()))
		defer dir.Close()
		found, err := dir.Discover(ctx, "book", "", true)
		if err != nil || len(found) != 1 || found[0].Addr != "10.0.0.5:50051" {
			t.Fatalf("found %v, %v", found, err)
		}
		if err := reg.Close(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if found, err := dir.Discover(ctx, "book", "", true); err != nil || len(found) != 0 {
			t.Fatalf("after Close found %v, %v", found, err)
		}
		if err := reg.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAWipedRegistryIsFilledAgainAndCallersNeverSeeItEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		server := memory.NewServer()
		reg, err := adsum.Register(server.Client(), adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"})
		if err != nil {
			t.Fatal(err)
		}
		defer reg.Close(ctx)
		if _, err := reg.Wait(ctx, registered); err != nil {
			t.Fatal(err)
		}
		dir := adsum.NewDirectory(server.Client())
		defer dir.Close()
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		if err := view.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		server.Down()
		server.Wipe()
		time.Sleep(time.Second)
		server.Up()
		for range 200 {
			time.Sleep(100 * time.Millisecond)
			if s := view.Snapshot(); len(s.Instances) != 1 {
				t.Fatalf("callers see %d instances, %v", len(s.Instances), s.Err)
			}
		}
		if s := view.Snapshot(); s.Stale() || s.Err != nil {
			t.Fatalf("still stale after 20 s: %v", s.Err)
		}
		if state := reg.State(); !state.Registered || state.Lost != 1 {
			t.Fatalf("state %+v", state)
		}
	})
}

func TestOfTwoOwnersTheYoungerStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		server := memory.NewServer()
		in := adsum.Instance{ID: "one", Service: "book", Addr: "10.0.0.5:50051"}
		older, err := adsum.Register(server.Client(), in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := older.Wait(ctx, registered); err != nil {
			t.Fatal(err)
		}
		in.Addr = "10.0.0.6:50051"
		younger, err := adsum.Register(server.Client(), in)
		if err != nil {
			t.Fatal(err)
		}
		defer younger.Close(ctx)
		if _, err := older.Wait(ctx, func(s adsum.RegistrationState) bool { return s.Superseded }); err != nil {
			t.Fatal(err)
		}
		<-older.Done()
		if err := older.Close(ctx); err != nil {
			t.Fatal(err)
		}
		dir := adsum.NewDirectory(server.Client())
		defer dir.Close()
		found, err := dir.Discover(ctx, "book", "", true)
		if err != nil || len(found) != 1 || found[0].Addr != "10.0.0.6:50051" {
			t.Fatalf("found %v, %v", found, err)
		}
	})
}
