package adsum_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

// script is a registry whose one watch does what the test says.
type script struct {
	adsum.Registry
	heartbeat time.Duration
	readOnly  bool
	acts      chan func(emit func(adsum.Listing)) error
	opened    chan struct{}
}

func newScript() *script {
	return &script{Registry: memory.New(), acts: make(chan func(func(adsum.Listing)) error), opened: make(chan struct{}, 1000)}
}

func (s *script) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{Driver: "script", Registry: "script:", Heartbeat: s.heartbeat, Register: !s.readOnly}
}

func (s *script) Watch(ctx context.Context, _ string, emit func(adsum.Listing)) error {
	s.opened <- struct{}{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case act := <-s.acts:
			if err := act(emit); err != nil {
				return err
			}
		}
	}
}

// emit has the watch answer, and waits until the snapshot shows it.
func (s *script) emit(sequence uint64, instances ...*adsum.Instance) {
	s.acts <- func(emit func(adsum.Listing)) error {
		emit(adsum.Listing{Instances: slices.Clone(instances), Sequence: sequence})
		return nil
	}
	time.Sleep(10 * time.Millisecond) // longer than changes are gathered, in virtual time
	synctest.Wait()
}

func (s *script) fail(err error) {
	s.acts <- func(func(adsum.Listing)) error { return err }
	synctest.Wait()
}

func copyOf(id string, change ...func(*adsum.Instance)) *adsum.Instance {
	in := adsum.Instance{ID: id, Service: "book", Addr: "h:1"}.WithDefaults()
	for _, c := range change {
		c(&in)
	}
	return &in
}

func ids(instances []*adsum.Instance) string {
	var s []string
	for _, in := range instances {
		s = append(s, in.ID)
	}
	return fmt.Sprint(s)
}

// watching opens a view of "book" on the scripted registry in a bubble.
func watching(t *testing.T, test func(t *testing.T, s *script, view *adsum.View), opts ...adsum.DirectoryOption) {
	t.Helper()
	watchingScript(t, func(*script) {}, test, opts...)
}

// watchingScript is watching with a script that is set up first.
func watchingScript(t *testing.T, set func(*script), test func(t *testing.T, s *script, view *adsum.View), opts ...adsum.DirectoryOption) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		set(s)
		dir := adsum.NewDirectory(s, append(opts, quiet)...)
		defer dir.Close()
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		test(t, s, view)
	})
}

func TestSnapshotsAreSortedAndGenerationsRiseOnlyWithChanges(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		if first := view.Snapshot(); first.Known() || first.Generation != 0 || first.Service != "book" {
			t.Fatalf("before the first answer: %+v", first)
		}
		s.emit(1, copyOf("b"), copyOf("a"), copyOf("c"))
		one := view.Snapshot()
		if ids(one.Instances) != "[a b c]" || one.Generation != 1 || one.Stale() {
			t.Fatalf("%+v", one)
		}
		s.emit(2, copyOf("c"), copyOf("b"), copyOf("a"))
		if again := view.Snapshot(); again.Generation != 1 || !again.SyncedAt.After(one.SyncedAt) || again.ChangedAt != one.ChangedAt {
			t.Errorf("the same again: %+v", again)
		}
		s.emit(3, copyOf("a"), copyOf("b", func(in *adsum.Instance) { in.Weight = 2 }))
		two := view.Snapshot()
		if ids(two.Instances) != "[a b]" || two.Generation != 2 {
			t.Fatalf("%+v", two)
		}
		if two.Instances[0] != one.Instances[0] || two.Instances[1] == one.Instances[1] || one.Instances[1].Weight != 1 {
			t.Error("an unchanged instance keeps its pointer, a changed one gets another, the old snapshot stays")
		}
		if in, ok := two.Get("b"); !ok || in.Weight != 2 {
			t.Errorf("Get: %v, %v", in, ok)
		}
		if _, ok := two.Get("c"); ok {
			t.Error("Get finds what is gone")
		}
	})
}

func TestOfTwoEntriesWithOneIDTheLaterCounts(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(1, copyOf("a"), copyOf("b"), copyOf("a", func(in *adsum.Instance) { in.Weight = 5 }))
		if got := view.Snapshot(); ids(got.Instances) != "[a b]" || got.Instances[0].Weight != 5 {
			t.Errorf("%v", got.Instances)
		}
	})
}

func TestAnErrorNeverErasesAndStalenessIsFlaggedAndCleared(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(1, copyOf("a"))
		synced := view.Snapshot().SyncedAt
		boom := errors.New("boom")
		s.fail(boom)
		if now := view.Snapshot(); now.Stale() || !errors.Is(now.Err, boom) || len(now.Instances) != 1 {
			t.Errorf("a watch that broke this moment: %+v", now)
		}
		time.Sleep(501 * time.Millisecond)
		synctest.Wait()
		if now := view.Snapshot(); !now.StaleSince.Equal(synced) || len(now.Instances) != 1 || now.Generation != 1 {
			t.Errorf("half a second later: %+v", now)
		}
		s.emit(2, copyOf("a"))
		if now := view.Snapshot(); now.Stale() || now.Err != nil || now.Generation != 1 {
			t.Errorf("after the next answer: %+v", now)
		}
	})
}

func TestAWatchThatComesBackAtOnceNeverLooksStale(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(1, copyOf("a"))
		changed := view.Changes(t.Context())
		stales := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for c := range changed {
				if c.Snapshot.Stale() {
					stales++
				}
			}
		}()
		s.fail(errors.New("compacted"))
		s.emit(2, copyOf("a"))
		view.Close()
		<-done
		if stales != 0 {
			t.Errorf("blinked %d times", stales)
		}
	})
}

func TestASilentWatchIsBrokenAndReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.heartbeat = 5 * time.Second
		dir := adsum.NewDirectory(s, quiet)
		defer dir.Close()
		view, _ := dir.Open("book")
		defer view.Close()
		s.emit(1, copyOf("a"))
		<-s.opened
		for range 10 {
			time.Sleep(5 * time.Second)
			s.emit(1, copyOf("a"))
		}
		if len(s.opened) != 0 {
			t.Fatal("a watch that gives signs of life was replaced")
		}
		time.Sleep(11*time.Second + 501*time.Millisecond)
		synctest.Wait()
		if now := view.Snapshot(); !now.Stale() || !errors.Is(now.Err, adsum.ErrSilent) || len(now.Instances) != 1 {
			t.Errorf("%+v", now)
		}
		if len(s.opened) == 0 {
			t.Error("no new watch")
		}
	})
}

func TestWhatARegistryForgotIsHeldUntilItRegistersAgainOrTimeIsUp(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(900, copyOf("a"), copyOf("b"), copyOf("c"))
		s.fail(errors.New("connection refused"))
		s.emit(2, copyOf("d"))
		now := view.Snapshot()
		if ids(now.Instances) != "[a b c d]" || !now.Stale() || !errors.Is(now.Err, adsum.ErrMemoryLost) {
			t.Fatalf("after a wipe: %s, %+v", ids(now.Instances), now)
		}
		s.emit(4, copyOf("d"), copyOf("a"), copyOf("b"))
		s.emit(5, copyOf("d"), copyOf("b"))
		if now = view.Snapshot(); ids(now.Instances) != "[b c d]" {
			t.Errorf("a came back and left, so it is gone: %s", ids(now.Instances))
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if now = view.Snapshot(); ids(now.Instances) != "[b d]" || now.Stale() || now.Err != nil {
			t.Errorf("c had its time: %s, %+v", ids(now.Instances), now)
		}
	})
}

func TestAnEmptyFirstAnswerAfterAnOutageIsNotBelievedAtOnce(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(0, copyOf("a"))
		s.fail(errors.New("gone"))
		s.emit(0)
		if now := view.Snapshot(); ids(now.Instances) != "[a]" || !now.Stale() {
			t.Errorf("%s, %+v", ids(now.Instances), now)
		}
		s.emit(0, copyOf("a"))
		if now := view.Snapshot(); now.Stale() {
			t.Errorf("%+v", now)
		}
		s.emit(0)
		if now := view.Snapshot(); len(now.Instances) != 0 || now.Stale() {
			t.Errorf("an empty answer of a watch that is well: %s", ids(now.Instances))
		}
	})
}

// freeze lets so much time pass until the watch answers again.
func (s *script) freeze(d time.Duration) {
	s.fail(adsum.ErrSilent)
	time.Sleep(d)
	synctest.Wait()
}

func TestWhatVanishesAfterALongOutageIsHeldUntilItRegistersAgainOrTimeIsUp(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(1, copyOf("a"), copyOf("b"), copyOf("c"), copyOf("d"))
		s.freeze(30 * time.Second)
		s.emit(2, copyOf("a"), copyOf("b"), copyOf("c"), copyOf("new"))
		if now := view.Snapshot(); ids(now.Instances) != "[a b c d new]" || !now.Stale() || !errors.Is(now.Err, adsum.ErrMemoryLost) {
			t.Fatalf("d was missing from the first answer: %s, %+v", ids(now.Instances), now)
		}
		s.emit(3, copyOf("d"), copyOf("new"))
		if now := view.Snapshot(); ids(now.Instances) != "[a b c d new]" || !now.Stale() {
			t.Errorf("the leases of a, b and c ran out: %s, %+v", ids(now.Instances), now)
		}
		s.emit(4, copyOf("a"), copyOf("b", func(in *adsum.Instance) { in.Weight = 9 }))
		now := view.Snapshot()
		if b, _ := now.Get("b"); ids(now.Instances) != "[a b c]" || b.Weight != 9 {
			t.Errorf("d came back and left, and new was never doubted: %s", ids(now.Instances))
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if now = view.Snapshot(); ids(now.Instances) != "[a b]" || now.Stale() || now.Err != nil {
			t.Errorf("c had its time: %s, %+v", ids(now.Instances), now)
		}
		s.emit(5, copyOf("a"))
		if now = view.Snapshot(); ids(now.Instances) != "[a]" {
			t.Errorf("b left long after the outage: %s", ids(now.Instances))
		}
	})
}

func TestWhatIsListedAfterALongOutageIsDoubtedForAWhileOnly(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(1, copyOf("a"), copyOf("b"))
		s.freeze(30 * time.Second)
		s.emit(1, copyOf("a"), copyOf("b"))
		if now := view.Snapshot(); now.Stale() {
			t.Errorf("nothing is missing: %+v", now)
		}
		time.Sleep(19 * time.Second)
		s.emit(2, copyOf("a"))
		if now := view.Snapshot(); ids(now.Instances) != "[a b]" || !now.Stale() {
			t.Errorf("%s, %+v", ids(now.Instances), now)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if now := view.Snapshot(); ids(now.Instances) != "[a]" || now.Stale() {
			t.Errorf("b leaves 20 s after the outage, whenever it vanished: %s, %+v", ids(now.Instances), now)
		}
	})
}

func TestAfterAnOutageInWhichNoLeaseCanRunOutTheAnswerIsBelievedAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		readOnly  bool
		heartbeat time.Duration
		outage    time.Duration
	}{
		"short":            {outage: 9 * time.Second},
		"nobody registers": {outage: time.Minute, readOnly: true},
		"one look failed":  {outage: 35 * time.Second, heartbeat: 38 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			watchingScript(t, func(s *script) { s.readOnly, s.heartbeat = test.readOnly, test.heartbeat }, func(t *testing.T, s *script, view *adsum.View) {
				s.emit(1, copyOf("a"), copyOf("b"))
				s.freeze(test.outage)
				s.emit(2, copyOf("a"))
				if now := view.Snapshot(); ids(now.Instances) != "[a]" || now.Stale() {
					t.Errorf("%s, %+v", ids(now.Instances), now)
				}
			})
		})
	}
}

func TestChangesTellWhatIsDifferentAndCombineForASlowConsumer(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		s.emit(1, copyOf("a"), copyOf("b"))
		var seen []adsum.Change
		for c := range view.Changes(t.Context()) {
			seen = append(seen, c)
			switch len(seen) {
			case 1:
				// While this consumer is busy, much happens.
				for i := range 100 {
					s.emit(uint64(2+i), copyOf("a", func(in *adsum.Instance) { in.Weight = i + 2 }), copyOf("c"))
				}
			case 2:
				s.fail(errors.New("x"))
			case 3:
				s.emit(200, copyOf("c"))
			}
			if len(seen) == 4 {
				break
			}
		}
		if c := seen[0]; ids(c.Added) != "[a b]" || c.Removed != nil || c.Changed != nil {
			t.Errorf("first: %+v", c)
		}
		if c := seen[1]; ids(c.Added) != "[c]" || ids(c.Removed) != "[b]" || len(c.Changed) != 1 || c.Changed[0].New.Weight != 101 || c.Changed[0].Old.Weight != 1 {
			t.Errorf("second: %+v", c)
		}
		if c := seen[2]; !c.Snapshot.Stale() || c.Added != nil || c.Removed != nil {
			t.Errorf("third: %+v", c)
		}
		if c := seen[3]; c.Snapshot.Stale() || ids(c.Removed) != "[a]" {
			t.Errorf("fourth: %+v", c)
		}
	})
}

func TestManyCallersShareOneWatchWhichEndsWhenNobodyUsesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		dir := adsum.NewDirectory(registry, quiet)
		defer dir.Close()
		var views []*adsum.View
		for range 100 {
			view, err := dir.Open("book")
			if err != nil {
				t.Fatal(err)
			}
			views = append(views, view)
		}
		for range 100 {
			if _, err := dir.Discover(t.Context(), "book", "", true); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := registry.Server().Watches(); n != 1 {
			t.Errorf("%d watches", n)
		}
		for _, view := range views {
			view.Close()
			view.Close()
		}
		time.Sleep(9 * time.Minute)
		if _, err := dir.Discover(t.Context(), "book", "", true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if n := registry.Server().Watches(); n != 1 {
			t.Errorf("%d watches 9 minutes after the last use", n)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if n := registry.Server().Watches(); n != 0 {
			t.Errorf("%d watches 10 minutes after the last use", n)
		}
	})
}

func TestTheNumberOfServicesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := adsum.NewDirectory(memory.New(), adsum.WithMaxServices(2), quiet)
		defer dir.Close()
		for _, name := range []string{"a", "b", "a"} {
			view, err := dir.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer view.Close()
		}
		if _, err := dir.Open("c"); !errors.Is(err, adsum.ErrTooManyServices) {
			t.Errorf("got %v", err)
		}
		if _, err := dir.Open("a/b"); !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReadyIsBoundedByTheCallerAndFailsAtOnceWhereWaitingIsPointless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		registry.Server().Freeze()
		dir := adsum.NewDirectory(registry, quiet)
		defer dir.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := dir.Discover(ctx, "book", "", true); !errors.Is(err, adsum.ErrNoSnapshot) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("frozen: %v", err)
		}
		registry.Server().Deny()
		registry.Server().Thaw()
		if _, err := dir.Discover(t.Context(), "book", "", true); !errors.Is(err, adsum.ErrDenied) {
			t.Errorf("denied: %v", err)
		}
		registry.Server().Allow()
		time.Sleep(10 * time.Second)
		if _, err := dir.Discover(t.Context(), "book", "", true); err != nil {
			t.Errorf("allowed again: %v", err)
		}
		dir.Close()
		if _, err := dir.Open("book"); !errors.Is(err, adsum.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestServicesAreListedOrUnsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		register(t, registry, book)
		dir := adsum.NewDirectory(registry, quiet)
		defer dir.Close()
		if names, err := dir.Services(t.Context()); err != nil || fmt.Sprint(names) != "[book]" {
			t.Errorf("%v, %v", names, err)
		}
		registry.Server().Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := dir.Services(ctx); !errors.Is(err, adsum.ErrNoSnapshot) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("frozen: %v", err)
		}
		registry.Server().Thaw()
		blind := adsum.NewDirectory(newScript(), quiet)
		defer blind.Close()
		if _, err := blind.Services(t.Context()); !errors.Is(err, adsum.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDiscoverSelectsByTagAndHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := memory.New()
		for i, status := range adsum.Statuses() {
			in := adsum.Instance{ID: string(status), Service: "book", Addr: fmt.Sprintf("h:%d", i+1), Status: status}
			if i%2 == 0 {
				in.Tags = []string{"even"}
			}
			register(t, registry, in)
		}
		dir := adsum.NewDirectory(registry, quiet)
		defer dir.Close()
		for _, test := range []struct {
			tag         string
			passingOnly bool
			want        string
		}{
			{"", false, "[critical draining passing starting warning]"},
			{"", true, "[passing warning]"},
			{"even", false, "[critical passing starting]"},
			{"even", true, "[passing]"},
			{"odd", true, "[]"},
		} {
			found, err := dir.Discover(t.Context(), "book", test.tag, test.passingOnly)
			if err != nil || ids(found) != test.want {
				t.Errorf("%q, %v: %s, %v; want %s", test.tag, test.passingOnly, ids(found), err, test.want)
			}
		}
	})
}

// TestRandomAnswersConverge throws random sets at a view and compares what it
// shows, and what a consumer of its changes adds up to, with the last answer.
func TestRandomAnswersConverge(t *testing.T) {
	watching(t, func(t *testing.T, s *script, view *adsum.View) {
		random := rand.New(rand.NewPCG(1, 2))
		model := map[string]int{}
		s.emit(1)
		next, stop := pull(t, view)
		defer stop()
		for i := range 500 {
			var set []*adsum.Instance
			for id := range 20 {
				if random.IntN(3) > 0 {
					set = append(set, copyOf(fmt.Sprintf("i%02d", id), func(in *adsum.Instance) { in.Weight = 1 + random.IntN(3) }))
				}
			}
			random.Shuffle(len(set), func(a, b int) { set[a], set[b] = set[b], set[a] })
			s.emit(uint64(i+2), set...)
			if random.IntN(2) == 0 {
				next(model)
			}
			if got := view.Snapshot(); len(got.Instances) != len(set) || !slices.IsSortedFunc(got.Instances, func(a, b *adsum.Instance) int {
				if a.ID < b.ID {
					return -1
				}
				return 1
			}) {
				t.Fatalf("%d: %s", i, ids(got.Instances))
			}
		}
		next(model)
		final := map[string]int{}
		for _, in := range view.Snapshot().Instances {
			final[in.ID] = in.Weight
		}
		if fmt.Sprint(model) != fmt.Sprint(final) {
			t.Errorf("changes add up to\n%v, the snapshot says\n%v", model, final)
		}
	})
}

// pull returns a function that applies the next change to a model, if there
// is one.
func pull(t *testing.T, view *adsum.View) (apply func(map[string]int), stop func()) {
	var generation uint64
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan adsum.Change)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c := range view.Changes(ctx) {
			select {
			case changes <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(model map[string]int) {
		for generation != view.Snapshot().Generation {
			c := <-changes
			generation = c.Snapshot.Generation
			for _, in := range c.Removed {
				delete(model, in.ID)
			}
			for _, in := range c.Added {
				model[in.ID] = in.Weight
			}
			for _, r := range c.Changed {
				model[r.New.ID] = r.New.Weight
			}
		}
	}, func() { cancel(); <-done }
}
