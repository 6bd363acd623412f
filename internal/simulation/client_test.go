package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/memory"
)

// client looks at the service through a connection of its own, and calls it.
type client struct {
	world    *world
	name     string
	link     *memory.Registry
	answers  *answers
	dir      *adsum.Directory
	view     *adsum.View
	balancer *lb.Balancer
	stop     context.CancelFunc
	stopped  chan struct{}
}

func (w *world) newClient(n int) *client {
	link := w.server.Client()
	answers := &answers{Registry: link, random: rand.New(rand.NewPCG(w.seed, uint64(n)+100)), named: map[string]bool{},
		ever: map[string]bool{}, absent: map[string]time.Time{}}
	ctx, stop := context.WithCancel(context.Background())
	c := &client{world: w, name: fmt.Sprintf("client%d", n), link: link, answers: answers, stop: stop, stopped: make(chan struct{}),
		balancer: lb.New(lb.RoundRobin, lb.Options{})}
	c.dir = adsum.NewDirectory(answers, quiet)
	view, err := c.dir.Open(service)
	if err != nil {
		w.fail("open: %v", err)
	}
	c.view = view
	go c.follow(ctx)
	return c
}

// follow feeds the balancer and checks every change on its way.
func (c *client) follow(ctx context.Context) {
	defer close(c.stopped)
	var generation uint64
	for change := range c.view.Changes(ctx) {
		s := change.Snapshot
		if s.Generation < generation || s.Generation == generation && len(change.Added)+len(change.Removed)+len(change.Changed) > 0 {
			c.world.fail("%s: generation %d after %d", c.name, s.Generation, generation)
		}
		generation = s.Generation
		for _, in := range change.Removed {
			if !c.answers.lacked(in.ID, s.ChangedAt) {
				c.world.fail("%s: %s vanished, though no answer lacked it; error %v", c.name, in.ID, s.Err)
			}
		}
		c.balancer.Update(s)
	}
}

// call picks as a program would, and checks that somebody named the address.
func (c *client) call() {
	picked, err := c.balancer.Pick(nil)
	if err != nil {
		return
	}
	if addr := picked.Endpoint.Addr(); !c.answers.wasNamed(addr) {
		c.world.fail("%s calls %s, which no answer ever named", c.name, addr)
	}
	picked.Done(lb.Outcome{})
}

func (c *client) close() {
	c.stop()
	<-c.stopped
	c.balancer.Close()
	c.view.Close()
	c.dir.Close()
}

// answers passes a client's watch on, late and twice as it pleases, and
// remembers what the registry said.
type answers struct {
	*memory.Registry
	random *rand.Rand

	mu     sync.Mutex
	unruly bool
	named  map[string]bool      // every address ever
	ever   map[string]bool      // every id ever
	absent map[string]time.Time // when an answer last lacked the id
}

func (a *answers) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	return a.Registry.Watch(ctx, service, func(l adsum.Listing) {
		late, twice := a.hear(l)
		if late > 0 {
			select {
			case <-time.After(late):
			case <-ctx.Done():
			}
		}
		a.deliver(l)
		if twice {
			again := l
			again.Instances = slices.Clone(l.Instances)
			emit(again)
		}
		emit(l)
	})
}

// hear notes who is named, and decides how the answer is delivered.
func (a *answers) hear(l adsum.Listing) (late time.Duration, twice bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, in := range l.Instances {
		a.named[in.Addr] = true
		a.ever[in.ID] = true
	}
	if !a.unruly {
		return 0, false
	}
	return time.Duration(a.random.IntN(3)) * 300 * time.Millisecond, a.random.IntN(2) == 0
}

// deliver notes who is missing from an answer.
func (a *answers) deliver(l adsum.Listing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.ever {
		if !slices.ContainsFunc(l.Instances, func(in *adsum.Instance) bool { return in.ID == id }) {
			a.absent[id] = time.Now()
		}
	}
}

func (a *answers) setUnruly(unruly bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unruly = unruly
}

// lacked tells whether an answer around that time lacked the id. What a
// registry forgot is held, but it is missing from every answer meanwhile; the
// last may be as old as a silent watch is allowed to be.
func (a *answers) lacked(id string, at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return at.Sub(a.absent[id]) < 5*time.Second
}

func (a *answers) wasNamed(addr string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.named[addr]
}
