//go:build unix

package servers

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// leaderTimeout bounds the search for a leader: far more than an election
// takes, even with a product's own timers.
const leaderTimeout = 20 * time.Second

// Ensemble is all the processes of one registry. What is done to it is done to
// all of them at once; [Ensemble.Member] reaches one. It is a [Server].
type Ensemble struct {
	nodes []*Node
	dir   string
	ports *reservation
}

// Member is the i-th process, counted from 0.
func (e *Ensemble) Member(i int) *Node { return e.nodes[i] }

// Members holds every process.
func (e *Ensemble) Members() []*Node { return e.nodes }

// Addr implements [Server].
func (e *Ensemble) Addr() string { return e.nodes[0].addr }

// Addrs implements [Server].
func (e *Ensemble) Addrs() []string {
	addrs := make([]string, len(e.nodes))
	for i, node := range e.nodes {
		addrs[i] = node.addr
	}
	return addrs
}

// Start implements [Server].
func (e *Ensemble) Start() error { return e.all((*Node).Start) }

// Stop implements [Server]. The members stop one after the other: a leader
// that goes together with its followers would wait for one to take over.
func (e *Ensemble) Stop() error {
	var results []error
	for _, node := range e.nodes {
		results = append(results, node.Stop())
	}
	return errors.Join(results...)
}

// Kill implements [Server].
func (e *Ensemble) Kill() error { return e.all((*Node).Kill) }

// Freeze implements [Server].
func (e *Ensemble) Freeze() error { return e.all((*Node).Freeze) }

// Thaw implements [Server].
func (e *Ensemble) Thaw() error { return e.all((*Node).Thaw) }

// Erase implements [Server].
func (e *Ensemble) Erase() error { return e.all((*Node).Erase) }

// Restart implements [Server].
func (e *Ensemble) Restart() error { return e.inTurn((*Node).Kill, (*Node).Start) }

// Wipe implements [Server].
func (e *Ensemble) Wipe() error { return e.inTurn((*Node).Kill, (*Node).Erase, (*Node).Start) }

// LogTail implements [Server].
func (e *Ensemble) LogTail() string {
	var b strings.Builder
	for _, node := range e.nodes {
		b.WriteString("--- " + node.name + " (" + node.addr + ")\n" + node.LogTail() + "\n")
	}
	return b.String()
}

// Close kills every process, deletes their data and gives up their ports. A
// second call does nothing.
func (e *Ensemble) Close() error {
	err := e.Kill()
	e.ports.release()
	return errors.Join(err, os.RemoveAll(e.dir))
}

// all does one thing to every member at the same time: members of a quorum
// are ready only together.
func (e *Ensemble) all(action func(*Node) error) error {
	results := make([]error, len(e.nodes))
	var group sync.WaitGroup
	for i, node := range e.nodes {
		group.Go(func() { results[i] = action(node) })
	}
	group.Wait()
	return errors.Join(results...)
}

// findLeader is the first running member of which leads is true. It looks
// until there is one: an election may be under way.
func (e *Ensemble) findLeader(leads func(ctx context.Context, member int) (bool, error)) (*Node, error) {
	ctx, cancel := context.WithTimeout(context.Background(), leaderTimeout)
	defer cancel()
	pause := time.NewTicker(probeInterval)
	defer pause.Stop()
	var last error
	for {
		for i, node := range e.nodes {
			yes, err := lookForLeader(ctx, node, func(ctx context.Context) (bool, error) { return leads(ctx, i) })
			if yes {
				return node, nil
			}
			if err != nil {
				last = err
			}
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, e.nodes[0].report("find leader", errors.Join(ctx.Err(), last))
		}
	}
}

func lookForLeader(ctx context.Context, node *Node, leads func(context.Context) (bool, error)) (bool, error) {
	if !node.Running() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return leads(ctx)
}

// inTurn does the actions one after the other, each to every member: no
// member comes back before the last is gone, or it would hand over its memory.
func (e *Ensemble) inTurn(actions ...func(*Node) error) error {
	for _, action := range actions {
		if err := e.all(action); err != nil {
			return err
		}
	}
	return nil
}

// attach binds the ensemble to a test: closed at its end, failures reported to
// it, logs shown when it failed.
func (e *Ensemble) attach(t testing.TB) {
	for _, node := range e.nodes {
		node.report = func(operation string, err error) error {
			t.Helper()
			if err != nil {
				t.Errorf("%s %v", operation, err)
			}
			return err
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the servers' logs:\n%s", e.LogTail())
		}
		if err := e.Close(); err != nil {
			t.Errorf("closing test servers: %v", err)
		}
	})
}
