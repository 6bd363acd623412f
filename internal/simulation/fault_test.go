package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
)

// step is the next thing that happens.
func (w *world) step() {
	acts := []func(){
		w.startCopy, w.startCopy, w.startRival, w.closeCopy, w.crashCopy, w.changeStatus, w.changeStatus,
		w.serverDown, w.serverUp, w.serverFreezes, w.serverThaws, w.serverSlow, w.deny,
		w.wipe, w.wipe, w.takeBackup, w.restore, w.breakWatches, w.expireLease, w.deleteRecord,
		w.cutClient, w.freezeClient, w.slowClient, w.unrulyClient, w.healClient, w.cutCopy, w.freezeCopy, w.healCopy,
	}
	acts[w.random.IntN(len(acts))]()
}

// mend ends every fault.
func (w *world) mend() {
	w.server.Slow(0)
	w.server.Up()
	w.server.Thaw()
	for _, c := range w.clients {
		c.link.Slow(0)
		c.link.Heal()
		c.link.Thaw()
		c.answers.setUnruly(false)
	}
	for _, c := range w.living() {
		c.link.Heal()
		c.link.Thaw()
	}
}

func (w *world) living() []*copy {
	var living []*copy
	for _, c := range w.copies {
		if !c.over {
			living = append(living, c)
		}
	}
	return living
}

// someCopy returns a living copy, or nil.
func (w *world) someCopy() *copy {
	living := w.living()
	if len(living) == 0 {
		return nil
	}
	return living[w.random.IntN(len(living))]
}

func (w *world) someClient() *client { return w.clients[w.random.IntN(len(w.clients))] }

func (w *world) onCopy(what string, do func(*copy)) {
	if c := w.someCopy(); c != nil {
		w.note("%s (%s): %s", c.name, c.id, what)
		do(c)
	}
}

func (w *world) onClient(what string, do func(*client)) {
	c := w.someClient()
	w.note("%s: %s", c.name, what)
	do(c)
}

func (w *world) onServer(what string, do func()) {
	w.note("registry: %s", what)
	do()
}

func (w *world) startCopy() {
	if len(w.living()) < 6 {
		c := w.newCopy(fmt.Sprintf("id%d", w.born+1))
		w.copies = append(w.copies, c)
		w.note("%s starts as %s", c.name, c.id)
	}
}

func (w *world) startRival() {
	if older := w.someCopy(); older != nil && len(w.living()) < 6 {
		c := w.newCopy(older.id)
		w.copies = append(w.copies, c)
		w.note("%s starts as %s too, beside %s", c.name, c.id, older.name)
	}
}

func (w *world) closeCopy() { w.onCopy("closes", (*copy).close) }
func (w *world) crashCopy() { w.onCopy("crashes", (*copy).crash) }

func (w *world) changeStatus() {
	status := adsum.Statuses()[w.random.IntN(len(adsum.Statuses()))]
	w.onCopy("turns "+string(status), func(c *copy) {
		// A superseded copy says so; it has no status to set.
		if err := c.reg.SetStatus(status, "simulated"); err != nil && !c.reg.State().Superseded {
			w.fail("%s: %v", c.name, err)
		}
	})
}

func (w *world) serverDown()    { w.onServer("goes down", w.server.Down) }
func (w *world) serverUp()      { w.onServer("comes up", w.server.Up) }
func (w *world) serverFreezes() { w.onServer("freezes", w.server.Freeze) }
func (w *world) serverThaws()   { w.onServer("thaws", w.server.Thaw) }
func (w *world) deny()          { w.onServer("denies everything", w.server.Deny) }
func (w *world) breakWatches()  { w.onServer("breaks all watches", w.server.BreakWatches) }

func (w *world) serverSlow() {
	d := time.Duration(w.random.IntN(2000)) * time.Millisecond
	w.onServer(fmt.Sprintf("answers after %v", d), func() { w.server.Slow(d) })
}

func (w *world) wipe() {
	w.onServer("is wiped", func() { w.server.Wipe(); w.amnesia = time.Now() })
}

func (w *world) takeBackup() {
	w.onServer("is backed up", func() { w.backup = w.server.Backup() })
}

func (w *world) restore() {
	if w.backup != nil {
		w.onServer("is restored", func() { w.server.Restore(w.backup); w.amnesia = time.Now() })
	}
}

func (w *world) expireLease() {
	w.onCopy("loses its lease", func(c *copy) {
		if err := w.server.ExpireLease(service, c.id); err != nil {
			w.note("it had none")
		}
	})
}

func (w *world) deleteRecord() {
	w.onCopy("is deleted by somebody", func(c *copy) {
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if err := w.server.Client().Remove(ctx, service, c.id); err != nil {
			w.note("in vain: %v", err)
		}
	})
}

func (w *world) cutClient()    { w.onClient("is cut off", func(c *client) { c.link.Cut() }) }
func (w *world) freezeClient() { w.onClient("is in a black hole", func(c *client) { c.link.Freeze() }) }
func (w *world) unrulyClient() {
	w.onClient("hears late and twice", func(c *client) { c.answers.setUnruly(true) })
}
func (w *world) slowClient() {
	w.onClient("hears everything 700 ms late", func(c *client) { c.link.Slow(700 * time.Millisecond) })
}
func (w *world) healClient() {
	w.onClient("is connected again", func(c *client) { c.link.Heal(); c.link.Thaw(); c.link.Slow(0) })
}
func (w *world) cutCopy()    { w.onCopy("is cut off", func(c *copy) { c.link.Cut() }) }
func (w *world) freezeCopy() { w.onCopy("is in a black hole", func(c *copy) { c.link.Freeze() }) }
func (w *world) healCopy() {
	w.onCopy("is connected again", func(c *copy) { c.link.Heal(); c.link.Thaw() })
}
