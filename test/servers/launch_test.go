//go:build unix

package servers

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// launchShell launches one node that runs a shell command, told the number of
// the attempt, and serves once that says so.
func launchShell(t *testing.T, script func(attempt int) string) (*Ensemble, error) {
	t.Helper()
	attempt := 0
	ensemble, err := launch("fake", 1, func(l layout) ([]*Node, error) {
		attempt++
		command := script(attempt)
		node, err := l.newNode("fake0", l.addr(0))
		if err != nil {
			return nil, err
		}
		node.command = func() *exec.Cmd { return exec.Command("/bin/sh", "-c", command) }
		node.probe = func(ctx context.Context) error {
			if strings.Contains(node.LogTail(), "serving") {
				return nil
			}
			return context.DeadlineExceeded
		}
		return []*Node{node}, nil
	})
	if err == nil {
		t.Cleanup(func() {
			if err := ensemble.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return ensemble, err
}

func TestATakenPortIsAnsweredWithAnother(t *testing.T) {
	t.Parallel()
	attempts := 0
	_, err := launchShell(t, func(attempt int) string {
		attempts = attempt
		if attempt == 1 {
			return "echo 'listen tcp 127.0.0.1: bind: address already in use'; exit 1"
		}
		return "echo serving; exec sleep 60"
	})
	if err != nil || attempts != 2 {
		t.Fatalf("%d attempts, error %v, want 2 attempts", attempts, err)
	}
}

func TestAServerThatEndsWhileStartingShowsItsLog(t *testing.T) {
	t.Parallel()
	_, err := launchShell(t, func(int) string { return "echo no such option; exit 3" })
	if err == nil || !strings.Contains(err.Error(), "no such option") || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("error %v, want the log and the exit status", err)
	}
}

func TestAServerTakesNoSettingsFromTheEnvironment(t *testing.T) {
	t.Setenv("ETCD_NAME", "stranger")
	ensemble, err := launchShell(t, func(int) string { return `echo "serving, called <$ETCD_NAME>"; exec sleep 60` })
	if err != nil {
		t.Fatal(err)
	}
	if log := ensemble.LogTail(); !strings.Contains(log, "called <>") {
		t.Fatalf("log %q", log)
	}
}

// It runs beside no other: a child that one starts holds what is closed here, a
// port and a lock, until it executes its program.
func TestAReservedPortIsNotTakenTwice(t *testing.T) {
	ours, err := reservePorts(1) // which no other test binds
	if err != nil {
		t.Fatal(err)
	}
	defer ours.release()
	folder, port := t.TempDir(), ours.numbers()[0]
	var first, second reservation
	take := func(r *reservation) int {
		if err := r.take(folder, port); err != nil {
			t.Fatal(err)
		}
		return len(r.ports)
	}
	if take(&first) != 1 || take(&second) != 0 {
		t.Fatal("two hold one port")
	}
	first.release()
	if take(&second) != 1 {
		t.Fatal("a released port cannot be taken")
	}
	second.release()
}

func TestABoundPortIsNotFree(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if port := listener.Addr().(*net.TCPAddr).Port; portIsFree(port) {
		t.Errorf("port %d is free", port)
	}
}

func TestOnlyAServerThatIsDownCanBeErased(t *testing.T) {
	t.Parallel()
	ensemble, err := launchShell(t, func(int) string { return "echo serving; exec sleep 60" })
	if err != nil {
		t.Fatal(err)
	}
	if err := ensemble.Erase(); err == nil {
		t.Error("erased while it runs")
	}
	if err := ensemble.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := ensemble.Erase(); err != nil {
		t.Error(err)
	}
	if err := ensemble.Freeze(); err == nil {
		t.Error("frozen while it is down")
	}
}

// recorder is a test that notes its errors in place of failing.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestAFailedOperationIsAnErrorOfTheTest(t *testing.T) {
	t.Parallel()
	ensemble, err := launchShell(t, func(int) string { return "echo serving; exec sleep 60" })
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	ensemble.attach(r)
	ensemble.Erase()
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], "erase fake0: its data cannot be erased while it runs") {
		t.Errorf("errors of the test: %q", r.errors)
	}
}
