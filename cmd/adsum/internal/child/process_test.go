//go:build unix

package child_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/cmd/adsum/internal/child"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

// shell starts a script and returns what it prints, line by line.
func shell(t *testing.T, script string) (*child.Process, *bufio.Reader) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = writer
	p, err := child.Start(cmd, syscall.SIGKILL)
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		reader.Close()
	})
	return p, bufio.NewReader(reader)
}

func TestExitCodeIsWhatAShellWouldReport(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 9": 9, "kill -TERM $$": 143} {
		p, _ := shell(t, script)
		<-p.Done()
		if p.ExitCode() != want {
			t.Errorf("%s: exit code %d, want %d", script, p.ExitCode(), want)
		}
	}
}

func TestSignalsReachWhatTheChildStarted(t *testing.T) {
	p, out := shell(t, "sh -c 'echo up; sleep 60' & wait")
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 { // ends when the grandchild did
		t.Errorf("%q, %v", rest, err)
	}
}

func TestStopForcesAChildThatDoesNotListen(t *testing.T) {
	p, out := shell(t, "trap '' TERM; echo deaf; while :; do sleep 1; done")
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(syscall.SIGTERM, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if p.ExitCode() != 137 {
		t.Errorf("exit code %d, want 137", p.ExitCode())
	}
}

func TestAChildThatEndedTakesAnySignal(t *testing.T) {
	p, _ := shell(t, "exit 0")
	<-p.Done()
	for _, signal := range []func() error{p.Freeze, p.Thaw, p.Kill, func() error { return p.Signal(syscall.SIGTERM) }} {
		if err := signal(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFrozenChildGoesOnWhenThawed(t *testing.T) {
	p, out := shell(t, "echo up; while :; do echo tick; sleep 0.01; done")
	if _, err := out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	// A stopped process is not waited for, so it does not count as ended.
	select {
	case <-p.Done():
		t.Fatal("a frozen child counts as ended")
	default:
	}
	if err := p.Thaw(); err != nil {
		t.Fatal(err)
	}
	for range 100 { // more than the pipe can have held back
		if _, err := out.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAProgramThatIsNotThereIsAnError(t *testing.T) {
	if _, err := child.Start(exec.Command("./no-such-program"), syscall.SIGKILL); err == nil {
		t.Error("no error")
	}
}
