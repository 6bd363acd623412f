package simulation

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

const (
	service = "book"
	ttl     = 6 * time.Second
	moments = 3 * time.Second // longer than the registry is ever slow
	// settled is how long after the last fault everything must agree: what
	// a registry forgot is held for 20 s, attempts come every 6 s at most,
	// and answers may be a second late.
	settled = 20*time.Second + 2*ttl + 6*time.Second + time.Second
)

var quiet = adsum.WithLogger(slog.New(slog.DiscardHandler))

// world is one history.
type world struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	server  *memory.Server
	clients []*client
	copies  []*copy
	backup  *memory.Backup
	born    int
	amnesia time.Time // when the registry was last wiped or restored
	start   time.Time

	mu     sync.Mutex
	trace  []string
	failed bool
}

// run plays one seed.
func run(t *testing.T, seed uint64, steps int) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 1)), server: memory.NewServer(), start: time.Now()}
		for n := range 2 + w.random.IntN(2) {
			w.clients = append(w.clients, w.newClient(n))
		}
		for range 2 + w.random.IntN(2) {
			w.copies = append(w.copies, w.newCopy(fmt.Sprintf("id%d", w.born+1)))
		}
		for range steps {
			w.step()
			w.pass(time.Duration(w.random.IntN(8000)) * time.Millisecond)
			if w.random.IntN(8) == 0 {
				w.settle()
			}
			if w.hasFailed() {
				break
			}
		}
		w.settle()
		w.end()
	})
}

// pass lets virtual time go by, with calls in between.
func (w *world) pass(d time.Duration) {
	for range 4 {
		time.Sleep(d / 4)
		synctest.Wait()
		for _, c := range w.clients {
			c.call()
		}
	}
}

// settle mends everything, waits, and checks that all agree.
func (w *world) settle() {
	w.note("everything is mended")
	w.mend()
	w.pass(settled)
	w.check()
}

// check compares what clients see with who is alive.
func (w *world) check() {
	alive := map[string]*copy{} // the owner of every id
	for _, c := range w.copies {
		if !c.over {
			w.judge(alive, c)
		}
	}
	for id, c := range alive {
		if err := c.reg.Ready(w.t.Context()); err != nil {
			w.fail("%s, the owner of %s, is not registered: %v", c.name, id, err)
		}
	}
	for _, c := range w.clients {
		var want, got []string
		for id, owner := range alive {
			want = append(want, id+" "+owner.addr+" "+string(owner.reg.Instance().Status))
		}
		s := c.view.Snapshot()
		for _, in := range s.Instances {
			got = append(got, in.ID+" "+in.Addr+" "+string(in.Status))
		}
		slices.Sort(want)
		if !slices.Equal(want, got) || s.Stale() {
			w.fail("%s sees %v, alive are %v; stale %v, error %v", c.name, got, want, s.Stale(), s.Err)
		}
	}
}

// judge checks that of several living claimants of an id one is left, and
// that whoever gave way did so to a younger one. Younger is who was accepted
// later; two accepted within moments of each other may be in either order,
// and where the registry lost its memory the order is gone with it.
func (w *world) judge(alive map[string]*copy, c *copy) {
	other := alive[c.id]
	switch {
	case c.reg.State().Superseded:
		mine := c.claimedAt()
		younger := slices.ContainsFunc(w.copies, func(o *copy) bool {
			theirs := o.claimedAt()
			return o != c && o.id == c.id && !theirs.IsZero() &&
				(theirs.After(mine.Add(-moments)) || w.amnesia.After(theirs))
		})
		if !younger {
			w.fail("%s was superseded, but nobody younger claimed %s", c.name, c.id)
		}
	case other == nil:
		alive[c.id] = c
	default:
		w.fail("%s and %s both hold %s", other.name, c.name, c.id)
	}
}

// end closes everything; synctest itself sees to it that no goroutine stays.
func (w *world) end() {
	for _, c := range w.copies {
		if !c.over {
			c.close()
		}
	}
	w.pass(settled)
	if left := w.server.Records(service); len(left) != 0 {
		w.fail("closed, and still registered: %v", left)
	}
	for _, c := range w.clients {
		c.close()
	}
	if w.hasFailed() {
		w.t.Logf("history of seed %d:\n%s\nreplay its faults: go test ./internal/simulation -run TestHistories -args -seed=%d",
			w.seed, strings.Join(w.trace, "\n"), w.seed)
	}
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trace = append(w.trace, fmt.Sprintf("%10.3fs  ", time.Since(w.start).Seconds())+fmt.Sprintf(format, args...))
}

// fail notes a broken invariant; the history ends after the step.
func (w *world) fail(format string, args ...any) {
	w.note("FAILED: "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
	w.t.Errorf(format, args...)
}

func (w *world) hasFailed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}
