//go:build unix

package cli_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeAddr is an address that nothing listens on, and that stays free until a
// program comes to it: it is none of those that the system gives to whoever asks
// for any port, as other tests do meanwhile.
func freeAddr(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal(err)
	return ""
}

// runWeb runs the test's web server under adsum run.
func (b *bench) runWeb(addr string, flags ...string) *running {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Setenv("ADSUM_TEST_PROGRAM", addr)
	args := append([]string{"run", "--name", "web", "--addr", addr, "--check-interval", "50ms",
		"--drain", "50ms", "--grace", "50ms"}, flags...)
	return b.start(append(args, "--", self)...)
}

func get(t *testing.T, url string) {
	t.Helper()
	r, err := http.Get(url)
	if err == nil {
		r.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRunRegistersOnceTheCheckPassesAndEndsWithTheProgramsCode(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	p := b.runWeb(addr, "--check", "http://"+addr+"/healthz")
	p.err.await(t, "registered web/"+addr+" as passing")
	if r := b.run("resolve", "web"); r.out != addr+"\n" {
		t.Errorf("resolved %q", r.out)
	}
	get(t, "http://"+addr+"/exit?code=7")
	r := p.wait()
	if r.code != 7 {
		t.Errorf("exit %d, want the program's 7; %s", r.code, r.err)
	}
	if !strings.Contains(r.err, "advertising "+addr+" in memory:: given by --addr") {
		t.Errorf("it does not say what is advertised and why: %s", r.err)
	}
	if r := b.run("instances", "web", "--all"); r.code != 4 {
		t.Errorf("a dead program is still registered: %s", r.out)
	}
}

func TestRunDrainsAndDeregistersBeforeItPassesTheSignalOn(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	watch := b.start("watch", "web")
	p := b.runWeb(addr, "--drain", "300ms")
	watch.out.await(t, "+ "+addr+"  passing")
	p.err.await(t, "registered web")
	p.stop()
	watch.out.await(t, "status passing → draining")
	// The look at the record comes second: it does not come back.
	if out := p.out.String(); strings.Contains(out, "program got") && len(b.server.Records("web")) > 0 {
		t.Error("the program got the signal while it was registered")
	}
	r := p.wait()
	if r.code != 0 || !strings.Contains(r.out, "program got terminated") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	watch.out.await(t, "- "+addr)
	steps := []string{"registered web", "draining for", "withdrawn web", "passing terminated on"}
	at := -1
	for _, step := range steps {
		next := strings.Index(r.err, step)
		if next <= at {
			t.Errorf("%q came out of order in\n%s", step, r.err)
		}
		at = next
	}
	watch.stop()
	watch.wait()
}

func TestRunNeverRegistersAProgramThatDoesNotAnswer(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	p := b.runWeb(addr, "--check", "http://"+addr+"/nothing-here")
	p.out.await(t, "program started")
	p.err.await(t, "not registered yet: ")
	if r := b.run("instances", "web", "--all"); r.code != 4 {
		t.Errorf("registered: %s", r.out)
	}
	p.stop()
	if r := p.wait(); r.code != 0 || !strings.Contains(r.out, "program got terminated") {
		t.Errorf("exit %d, stdout %q", r.code, r.out)
	}
}

func TestRunTakesASickProgramOutOfService(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	p := b.runWeb(addr, "--check", "http://"+addr+"/healthz", "--check-fall", "1", "--deregister-critical-after", "200ms")
	p.err.await(t, "as passing")
	get(t, "http://"+addr+"/sick")
	p.err.await(t, "as critical: ")
	if r := b.run("resolve", "web"); r.code != 4 {
		t.Errorf("a sick program is offered: %s", r.out)
	}
	p.err.await(t, "withdrawn, critical for too long: ")
	p.stop()
	p.wait()
}

func TestRunReportsHowAProgramDied(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		command string
		code    int
	}{{"exit 3", 3}, {"kill -KILL $$", 137}, {"exit 0", 0}} {
		r := b.run("run", "--name", "web", "--addr", "127.0.0.1:1", "--", "sh", "-c", c.command)
		if r.code != c.code {
			t.Errorf("%q: exit %d, want %d; %s", c.command, r.code, c.code, r.err)
		}
	}
	if r := b.run("run", "--name", "web", "--addr", "127.0.0.1:1", "--", "./no-such-program"); r.code != 127 {
		t.Errorf("a program that is not there: exit %d, want 127", r.code)
	}
	if r := b.run("run", "--name", "web", "--addr", "127.0.0.1:1"); r.code != 1 {
		t.Errorf("no program: exit %d, want 1", r.code)
	}
}

func TestRunPassesOtherSignalsOnAtOnce(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	p := b.runWeb(addr)
	p.err.await(t, "as passing")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.out.await(t, "program got hangup")
	p.stop()
	p.wait()
}

func TestRunForcesAProgramThatIgnoresTheSignal(t *testing.T) {
	b := newBench(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := b.start("run", "--name", "web", "--addr", l.Addr().String(), "--drain", "0", "--grace", "0", "--kill-after", "100ms",
		"--", "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done")
	p.out.await(t, "deaf")
	p.err.await(t, "as passing")
	began := time.Now()
	p.stop()
	if r := p.wait(); r.code != 137 || time.Since(began) > 5*time.Second {
		t.Errorf("exit %d after %s, want 137", r.code, time.Since(began))
	}
}

func TestRunGoesOnWithoutARegistry(t *testing.T) {
	b := newBench(t)
	b.server.Down()
	addr := freeAddr(t)
	p := b.runWeb(addr)
	p.err.await(t, "not registered, trying on")
	b.server.Up()
	p.err.await(t, "registered web/"+addr+" as passing")
	p.stop()
	if r := p.wait(); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestRunIsReadyOnceItsProgramIsRegistered(t *testing.T) {
	b := newBench(t)
	addr := freeAddr(t)
	p := b.runWeb(addr, "--check", "http://"+addr+"/healthz", "--metrics", "127.0.0.1:0")
	p.awaitPage("/readyz", http.StatusOK, "web/"+addr+": registered since ")
	p.awaitPage("/metrics", http.StatusOK, `adsum_health_runs_total{`)
	get(t, "http://"+addr+"/exit?code=0")
	if r := p.wait(); r.code != 0 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestRunEndsTheProgramWhenTheFirstRegistrationIsDenied(t *testing.T) {
	b := newBench(t)
	b.server.Deny()
	r := b.runWeb(freeAddr(t)).wait()
	if r.code != 3 || !strings.Contains(r.err, "is not registered in memory:: register: ") || !strings.Contains(r.err, "access denied") ||
		strings.Contains(r.err, "withdrawn") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	if !strings.Contains(r.out, "program got terminated") {
		t.Errorf("the program was not asked to end: %s", r.out)
	}
}

func TestRunTakesNoNegativeTimes(t *testing.T) {
	b := newBench(t)
	for _, flag := range []string{"--drain", "--grace", "--kill-after", "--deregister-critical-after"} {
		if r := b.runWeb(freeAddr(t), flag, "-1s").wait(); r.code != 1 || !strings.Contains(r.err, flag+" -1s is negative") || r.out != "" {
			t.Errorf("%s: exit %d, %q, %q", flag, r.code, r.out, r.err)
		}
	}
}
