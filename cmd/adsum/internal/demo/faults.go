package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

func (p *play) killOne(ctx context.Context) error {
	p.heading(fmt.Sprintf("%d callers in a loop, while things go wrong", callersAtOnce))
	p.callers = startCallers(ctx, p.client)
	victim := p.servers[0]
	if err := p.callers.awaitAnswer(ctx, victim.addr); err != nil {
		return err
	}
	killed := time.Now()
	if err := victim.Kill(); err != nil {
		return err
	}
	p.tell(term.Red, victim.name, "%s killed with SIGKILL", victim.addr)
	p.wait("the lease of the killed copy to run out")
	if err := p.awaitListed(ctx, victim.addr, false); err != nil {
		return err
	}
	gone := short(time.Since(killed))
	p.tell(term.Yellow, victim.name, "gone from the list %s after the kill, when its lease ran out; calls to it ended %s after the kill",
		gone, short(p.callers.lastAnswer(victim.addr).Sub(killed)))
	p.note("killed copy off the list", gone+" after SIGKILL (TTL "+ttl.String()+")")
	p.noFailures("after a copy was killed")
	return nil
}

// freezeRegistry silences the registry, starts a copy meanwhile, and lets
// the registry go on.
func (p *play) freezeRegistry(ctx context.Context) error {
	before, _ := p.callers.score()
	frozen := time.Now()
	p.frozen = true
	if err := p.freezer.Freeze(); err != nil {
		return err
	}
	p.tell(term.Red, "registry", "frozen: %s", p.how)
	third, _, err := p.startServer(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.tell(term.Green, third.name, "%s, process %d; started while nobody can be told", third.addr, third.PID())
	p.wait("the client to notice that the registry is silent")
	if err := p.await(ctx, "the list to turn stale", (*adsum.Snapshot).Stale); err != nil {
		return err
	}
	stale := short(time.Since(frozen))
	p.tell(term.Yellow, "client", "its list counts as stale %s after the freeze, and is kept, copies: %d", stale, len(p.view.Snapshot().Instances))
	p.wait("the freeze to end")
	if err := sleep(ctx, freeze-time.Since(frozen)); err != nil {
		return err
	}
	after, _ := p.callers.score()
	p.tell(term.Cyan, "callers", "%d calls during the freeze", after-before)
	p.claim(after > before, "no call was made during the freeze")
	p.note("list flagged stale", stale+" after the freeze")
	return p.thaw(ctx, third)
}

func (p *play) thaw(ctx context.Context, third *server) error {
	thawed := time.Now()
	p.frozen = false
	if err := p.freezer.Thaw(); err != nil {
		return err
	}
	p.tell(term.Green, "registry", "goes on")
	if err := p.await(ctx, "the list to be confirmed", func(s *adsum.Snapshot) bool { return !s.Stale() }); err != nil {
		return err
	}
	confirmed := short(time.Since(thawed))
	p.tell(term.Green, "client", "its list is confirmed again, %s after that", confirmed)
	p.note("list confirmed", confirmed+" after the freeze ended")
	return p.joins(ctx, third, thawed, "after the freeze ended", "third copy")
}

// joins waits until a server is on the list and called.
func (p *play) joins(ctx context.Context, s *server, since time.Time, after, what string) error {
	if err := p.awaitListed(ctx, s.addr, true); err != nil {
		return err
	}
	listed := short(time.Since(since))
	ctx, cancel := context.WithTimeout(ctx, p.limit())
	defer cancel()
	if err := p.callers.awaitAnswer(ctx, s.addr); err != nil {
		return err
	}
	called := short(time.Since(since))
	p.tell(term.Green, s.name, "%s seen by the client %s %s, and called after %s", s.addr, listed, after, called)
	p.note(what+" on the list", listed+" "+after+", called after "+called)
	return nil
}

func (p *play) restartOne(ctx context.Context) error {
	first := p.servers[0].addr
	s, began, err := p.startServer(ctx, first)
	if err != nil {
		return err
	}
	s.name = p.servers[0].name
	p.tell(term.Green, s.name, "%s started again, process %d", s.addr, s.PID())
	if err := p.joins(ctx, s, began, "after its start", "restarted copy"); err != nil {
		return err
	}
	p.noFailures("in the whole run")
	return nil
}

func (p *play) noFailures(when string) {
	total, failed := p.callers.score()
	p.tell(term.Cyan, "callers", "%d calls so far, %d failed", total, failed)
	p.claim(failed == 0, "%d calls failed %s, the first with: %v", failed, when, p.callers.firstError())
}

func (p *play) summarize(context.Context) error {
	p.callers.end()
	total, failed := p.callers.score()
	p.claim(failed == 0, "%d calls failed, the first with: %v", failed, p.callers.firstError())
	p.heading("Summary")
	rows := [][2]string{{"calls", fmt.Sprintf("%d shown, %d in the loop; failed: %d", p.Calls, total, failed)}}
	p.sum(append(rows, p.seen...))
	return nil
}

func (p *play) note(what, when string) { p.seen = append(p.seen, [2]string{what, when}) }
