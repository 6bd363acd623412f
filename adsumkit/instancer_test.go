package adsumkit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/kit/sd"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
)

// observed registers a channel that takes many events, until the test ends.
func observed(t *testing.T, i sd.Instancer) chan sd.Event {
	ch := make(chan sd.Event, 100)
	i.Register(ch)
	t.Cleanup(func() { i.Deregister(ch) })
	return ch
}

// expectEvents compares what has arrived: sets as "a b", errors as "error".
func expectEvents(t *testing.T, ch chan sd.Event, want ...string) {
	t.Helper()
	wait(settled)
	var got []string
	for range len(ch) {
		event := <-ch
		if event.Err != nil {
			got = append(got, "error")
		} else {
			got = append(got, strings.Join(event.Instances, " "))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("events %q, want %q", got, want)
	}
}

func TestAnObserverGetsTheFullSetAtOnceAndAfterEveryChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		regs := w.publishAll("10.0.0.2:1", "10.0.0.1:1")
		i := w.instancer()
		ch := observed(t, i)
		if len(ch) != 1 {
			t.Fatalf("%d events when Register returned, want 1", len(ch))
		}
		expectEvents(t, ch, "10.0.0.1:1 10.0.0.2:1")
		w.publishAll("10.0.0.3:1")
		expectEvents(t, ch, "10.0.0.1:1 10.0.0.2:1 10.0.0.3:1")
		if err := regs[0].SetStatus(adsum.Critical, "broken"); err != nil {
			t.Fatal(err)
		}
		expectEvents(t, ch, "10.0.0.1:1 10.0.0.3:1")
		if err := regs[1].Update(func(in *adsum.Instance) { in.Weight = 7 }); err != nil {
			t.Fatal(err)
		}
		expectEvents(t, ch) // the strings are the same
		if err := regs[1].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectEvents(t, ch, "10.0.0.3:1")
	})
}

func TestAnErrorIsTellingAndErasesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publishAll("10.0.0.1:1")
		i := w.instancer()
		early := observed(t, i)
		expectEvents(t, early, "10.0.0.1:1")
		w.server.Down()
		wait(5 * time.Second)
		expectEvents(t, early, "error")
		late := observed(t, i)
		expectEvents(t, late, "10.0.0.1:1", "error")
		w.server.Up()
		wait(time.Minute)
		expectEvents(t, early, "10.0.0.1:1")
		expectEvents(t, late, "10.0.0.1:1")
	})
}

func TestUnknownIsNotEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.server.Down()
		begin := time.Now()
		i := w.instancer()
		if waited := time.Since(begin); waited != 5*time.Second {
			t.Errorf("NewInstancer waited %v for the first answer, want 5s", waited)
		}
		ch := make(chan sd.Event, 100)
		i.Register(ch)
		defer i.Deregister(ch)
		if event := <-ch; !errors.Is(event.Err, adsum.ErrNoSnapshot) || event.Instances != nil {
			t.Fatalf("first event %+v", event)
		}
		w.server.Up()
		wait(time.Minute)
		expectEvents(t, ch, "") // now it is known to be empty
	})
}

func TestTheFirstAnswerNeedNotBeWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.server.Freeze()
		begin := time.Now()
		i := w.instancer(adsumkit.WithFirstAnswer(0))
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		w.server.Thaw()
		if err := i.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTagsProtocolsAndTextChooseWhatObserversSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publish(adsum.Instance{Addr: "10.0.0.1:80", Tags: []string{"eu", "v2"}, Endpoints: map[string]string{"grpc": "10.0.0.1:50051"}})
		w.publish(adsum.Instance{Addr: "10.0.0.2:80", Tags: []string{"eu"}})
		expectEvents(t, observed(t, w.instancer(adsumkit.WithTags("eu", "v2"))), "10.0.0.1:80")
		expectEvents(t, observed(t, w.instancer(adsumkit.WithTags("us"))), "")
		expectEvents(t, observed(t, w.instancer(adsumkit.WithProtocols("grpc"))), "10.0.0.1:50051 10.0.0.2:80")
		expectEvents(t, observed(t, w.instancer(adsumkit.WithText(func(in *adsum.Instance) string { return "http://" + in.Addr }))),
			"http://10.0.0.1:80 http://10.0.0.2:80")
		expectEvents(t, observed(t, w.instancer(adsumkit.WithText(func(*adsum.Instance) string { return "same" }))), "same")
	})
}

func TestASlowObserverKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.instancer()
		slow := make(chan sd.Event, 1)
		i.Register(slow)
		fast := observed(t, i)
		expectEvents(t, fast, "")
		var want []string
		for n := range 4 {
			addr := fmt.Sprintf("10.0.0.%d:1", n)
			want = append(want, addr)
			w.publishAll(addr)
			expectEvents(t, fast, strings.Join(want, " "))
		}
		// The slow one has not read yet. It gets the oldest, the one that was
		// being sent, and then only the newest.
		expectEvents(t, slow, "")
		expectEvents(t, slow, want[0])
		expectEvents(t, slow, strings.Join(want, " "))
		i.Deregister(slow)
		close(slow) // nothing is sent any more
		w.publishAll("10.0.1.0:1")
		wait(settled)
	})
}

func TestObserversMayModifyTheirEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publishAll("10.0.0.1:1")
		i := w.instancer()
		ch := make(chan sd.Event, 10)
		i.Register(ch)
		(<-ch).Instances[0] = "spoilt"
		expectEvents(t, ch)
		i.Deregister(ch)
		i.Register(ch)
		expectEvents(t, ch, "10.0.0.1:1")
		i.Register(ch) // twice is once
		i.Deregister(ch)
		i.Deregister(ch)
	})
}

func TestStopEndsEverythingEvenWithAnObserverThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		i := w.instancer()
		ch := make(chan sd.Event, 1)
		i.Register(ch)
		w.publishAll("10.0.0.1:1")
		wait(settled)
		i.Stop()
		i.Stop()
		i.Deregister(ch)
		i.Register(ch)
		if len(ch) != 1 {
			t.Errorf("%d events", len(ch))
		}
	})
}

func TestAnIllFormedNameIsRefused(t *testing.T) {
	w := newWorld(t)
	if _, err := adsumkit.NewInstancer(w.dir, "services/book"); !errors.Is(err, adsum.ErrInvalid) {
		t.Fatal(err)
	}
}
