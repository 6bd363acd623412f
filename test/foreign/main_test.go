package foreign_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

var (
	binaries string   // the folder of the built programs
	builds   sync.Map // of their builds, by program and modfile
)

func TestMain(m *testing.M) {
	var err error
	if binaries, err = os.MkdirTemp("", "adsum-foreign-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	adsumtest.VerifyNoLeaks(m, adsumtest.AfterTests(func() { _ = os.RemoveAll(binaries) }))
}

// patience is how long a test waits for what must happen, on a machine that is
// busy with other servers.
const patience = time.Minute

// build builds a program of this folder, once for all tests; modfile chooses its
// versions.
func build(t *testing.T, program, modfile string) string {
	t.Helper()
	once, _ := builds.LoadOrStore(program+" with "+modfile, sync.OnceValues(func() (string, error) {
		binary := filepath.Join(binaries, program+"-"+modfile)
		// Nobody debugs them, and to link them is most of the work.
		command := exec.Command("go", "build", "-ldflags=-s -w", "-modfile="+modfile, "-o", binary, ".")
		command.Dir = program
		command.Env = append(os.Environ(), "GOWORK=off")
		if out, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s with %s: %w\n%s", program, modfile, err, out)
		}
		return binary, nil
	}))
	binary, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// startPython runs a script of this folder with the Python that has the
// registries' clients. A script must not be named like what it imports.
func startPython(t *testing.T, script string, args ...string) *program {
	t.Helper()
	return start(t, servers.Python(t), append([]string{"-u", script}, args...)...)
}

// program is a running foreign program. It ends when its input does.
type program struct {
	t     *testing.T
	stdin io.WriteCloser
	lines chan string // of its output; closed at its end
	wait  func() error
}

func start(t *testing.T, binary string, args ...string) *program {
	t.Helper()
	command := exec.Command(binary, args...)
	var complaint strings.Builder
	command.Stderr = &complaint
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, stdin: stdin, lines: make(chan string, 1000)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	ended := false
	p.wait = func() error {
		if ended {
			return nil
		}
		ended = true
		<-read
		if err := command.Wait(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", filepath.Base(binary), args[0], err, complaint.String())
		}
		return nil
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		hung := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
		defer hung.Stop()
		if err := p.wait(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// end ends the program's input and waits until it is gone.
func (p *program) end() {
	p.t.Helper()
	_ = p.stdin.Close()
	if err := p.wait(); err != nil {
		p.t.Fatal(err)
	}
}

// line waits for the next line of output.
func (p *program) line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.t.Fatalf("the program ended: %v", p.wait())
		}
		return line
	case <-time.After(patience):
		p.t.Fatal("no further output")
	}
	return ""
}

// until reads lines up to one.
func (p *program) until(want string) {
	p.t.Helper()
	for p.line() != want {
	}
}

// ask writes a line and returns the answer.
func (p *program) ask() string {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.stdin, "next"); err != nil {
		p.t.Fatal(err)
	}
	return p.line()
}
