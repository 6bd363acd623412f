package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

// copy is one process that serves: a registration on a link of its own.
type copy struct {
	world   *world
	name    string // of the process
	id      string // of the instance; two copies may claim one
	addr    string
	link    *memory.Registry
	reg     *adsum.Registration
	over    bool           // closed or crashed
	claimed chan time.Time // holds when the registry first accepted it
}

func (w *world) newCopy(id string) *copy {
	w.born++
	c := &copy{world: w, name: fmt.Sprintf("copy%d", w.born), id: id, addr: fmt.Sprintf("10.0.0.%d:80", w.born),
		link: w.server.Client(), claimed: make(chan time.Time, 1)}
	reg, err := adsum.Register(c.link, adsum.Instance{ID: id, Service: service, Addr: c.addr}, adsum.WithTTL(ttl), quiet)
	if err != nil {
		w.fail("register: %v", err)
	}
	c.reg = reg
	go func() {
		if state, err := reg.Wait(context.Background(), func(s adsum.RegistrationState) bool { return s.Registered }); err == nil {
			c.claimed <- state.Since
		}
	}()
	return c
}

// claimedAt is when the registry first accepted the copy, zero if it never did.
func (c *copy) claimedAt() time.Time {
	select {
	case at := <-c.claimed:
		c.claimed <- at
		return at
	default:
		return time.Time{}
	}
}

// close ends the process in an orderly way.
func (c *copy) close() {
	c.over = true
	// An error says that the record could not be withdrawn and runs out.
	if err := c.reg.Close(context.Background()); err != nil {
		c.world.note("%s: %v", c.name, err)
	}
}

// crash ends the process without a word: whatever it still tries does not
// arrive.
func (c *copy) crash() {
	c.over = true
	c.link.Cut()
	go c.reg.Close(context.Background())
}
