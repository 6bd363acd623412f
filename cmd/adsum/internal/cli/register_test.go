package cli_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

func TestRegisterKeepsTheRecordUntilItIsStopped(t *testing.T) {
	b := newBench(t)
	p := b.start("register", "--name", "book", "--addr", "127.0.0.1:50051", "--tag", "a", "--tag", "b",
		"--meta", "k=v", "--weight", "3", "--zone", "z", "--version", "1.2", "--id", "one", "--endpoint", "http=127.0.0.1:80")
	p.err.await(t, "registered book/one (127.0.0.1:50051) as passing")
	r := b.run("instances", "book", "-o", "jsonl")
	want := `{"id":"one","service":"book","addr":"127.0.0.1:50051","endpoints":{"http":"127.0.0.1:80"},"weight":3,"zone":"z","version":"1.2",` +
		`"tags":["a","b"],"metadata":{"k":"v"},"status":"passing","reason":""}` + "\n"
	if r.out != want {
		t.Errorf("got  %swant %s", r.out, want)
	}
	p.stop()
	if r := p.wait(); r.code != 0 || r.out != "" || !strings.Contains(r.err, "withdrawn book/one") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	if r := b.run("instances", "book", "--all"); r.code != 4 {
		t.Errorf("still there: %s", r.out)
	}
}

func TestRegisterPublishesWhatTheCheckSays(t *testing.T) {
	b := newBench(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	p := b.start("register", "--name", "db", "--addr", addr, "--check", "tcp://"+addr, "--check-interval", "20ms", "--check-fall", "1")
	p.err.await(t, "registered db/"+addr+" as passing")
	l.Close()
	p.err.await(t, "registered db/"+addr+" as critical: ")
	if r := b.run("instances", "db"); r.code != 4 {
		t.Errorf("a critical copy is offered: %s", r.out)
	}
	p.stop()
	if r := p.wait(); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestRegisterEndsWhenAYoungerOwnerTakesOver(t *testing.T) {
	b := newBench(t)
	older := b.start("register", "--name", "book", "--addr", "127.0.0.1:1")
	older.err.await(t, "registered book")
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	if r := older.wait(); r.code != 3 || !strings.Contains(r.err, "younger owner") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if r := b.run("instances", "book"); r.code != 0 {
		t.Errorf("the younger owner's record is gone: %s", r.err)
	}
}

func TestRegisterWaitsForARegistryThatIsDown(t *testing.T) {
	b := newBench(t)
	b.server.Down()
	p := b.start("register", "--name", "book", "--addr", "127.0.0.1:1")
	p.err.await(t, "not registered, trying on: ")
	b.server.Up()
	p.err.await(t, "registered book/127.0.0.1:1 as passing")
	p.stop()
	p.wait()
}

func TestRegisterFailsAtOnceWhenTheFirstRegistrationIsDenied(t *testing.T) {
	b := newBench(t)
	b.server.Deny()
	r := b.run("register", "--name", "book", "--addr", "127.0.0.1:1")
	if r.code != 3 || !strings.Contains(r.err, "adsum: book/127.0.0.1:1 is not registered in memory:: register: ") ||
		!strings.Contains(r.err, "access denied") || strings.Contains(r.err, "withdrawn") || strings.Contains(r.err, "trying") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// rotated denies the second registration, as while a token is replaced.
type rotated struct {
	*memory.Registry
	registrations atomic.Int32
}

func (r *rotated) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	if r.registrations.Add(1) == 2 {
		return nil, adsum.ErrDenied
	}
	return r.Registry.Register(ctx, in, opts)
}

func TestRegisterTriesOnWhenWhatWasAcceptedIsDeniedLater(t *testing.T) {
	b := newBench(t)
	p := b.start("register", "--registry", "rotated:", "--name", "book", "--addr", "127.0.0.1:1")
	p.err.await(t, "registered book/127.0.0.1:1 as passing")
	if err := b.server.ExpireLease("book", "127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	p.err.await(t, "not registered, trying on: register: access denied\nregistered book/127.0.0.1:1 as passing")
	p.stop()
	if r := p.wait(); r.code != 0 || !strings.HasSuffix(r.err, "\nwithdrawn book/127.0.0.1:1\n") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestRegisterDoesNotClaimToHaveWithdrawnWhatNeverWasThere(t *testing.T) {
	b := newBench(t)
	b.server.Down()
	p := b.start("register", "--name", "book", "--addr", "127.0.0.1:1")
	p.err.await(t, "not registered, trying on: ")
	p.stop()
	if r := p.wait(); r.code != 2 || !strings.Contains(r.err, "book/127.0.0.1:1 was never registered in memory:: register: ") ||
		strings.Contains(r.err, "withdrawn") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	b.server.Freeze()
	p = b.start("register", "--name", "book", "--addr", "127.0.0.1:1")
	p.err.await(t, "registering book/127.0.0.1:1")
	p.stop()
	if r := p.wait(); r.code != 0 || !strings.Contains(r.err, "stopped before book/127.0.0.1:1 was registered") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestDeregisterRemovesARecordThatNobodyKeeps(t *testing.T) {
	b := newBench(t)
	orphan, err := b.server.Client().Register(t.Context(), adsum.Instance{Service: "book", Addr: "127.0.0.1:1"}.WithDefaults(),
		adsum.RegisterOptions{TTL: 1 << 40, Claim: adsum.Claim{Owner: "gone"}})
	if err != nil {
		t.Fatal(err)
	}
	defer orphan.Close(t.Context())
	r := b.run("deregister", "book", "127.0.0.1:1", "--watch", "100ms")
	if r.code != 0 || !strings.Contains(r.err, "removed book/127.0.0.1:1") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if r := b.run("instances", "book", "--all"); r.code != 4 {
		t.Errorf("still there: %s", r.out)
	}
}

func TestDeregisterSaysSoWhenTheRecordComesBack(t *testing.T) {
	b := newBench(t)
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	r := b.run("deregister", "book", "127.0.0.1:1", "--watch", "20s")
	if r.code != 3 || !strings.Contains(r.err, "came back") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
