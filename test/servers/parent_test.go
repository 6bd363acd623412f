//go:build unix

package servers_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/adsum-go/adsum/test/servers"
)

// roleVariable makes this test binary, run once more by one of its tests, the
// parent of something instead.
const roleVariable = "ADSUM_TEST_ROLE"

// play starts what the role names, prints a word about it, and waits to be
// killed.
func play(role string) {
	word, err := roles[role]()
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(word)
	select {}
}

var roles = map[string]func() (string, error){
	"etcd": func() (string, error) {
		etcd, err := servers.NewEtcd(servers.EtcdOptions{})
		if err != nil {
			return "", err
		}
		return etcd.Addr(), nil
	},
	"watched sleeper": func() (string, error) {
		// It holds our standard output open as long as it lives.
		sleeper := exec.Command("sleep", "60")
		sleeper.Stdout = os.Stdout
		sleeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := sleeper.Start(); err != nil {
			return "", err
		}
		servers.WatchParent(sleeper.Process.Pid)
		return "sleeping", nil
	},
}

// startRole runs this binary in the role. It returns the word that it prints
// and the rest of its output.
func startRole(t *testing.T, role string) (parent *exec.Cmd, word string, output io.Reader) {
	t.Helper()
	parent = exec.Command(os.Args[0])
	// Killed, it tidies nothing up: what it leaves is removed with the test.
	parent.Env = append(os.Environ(), roleVariable+"="+role, "TMPDIR="+t.TempDir())
	// A pipe of our own: that of StdoutPipe is closed by Wait.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	parent.Stdout = writer
	err = parent.Start()
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	buffered := bufio.NewReader(reader)
	line, err := buffered.ReadString('\n')
	if err != nil || strings.HasPrefix(line, "failed") {
		t.Fatalf("%s: %s %v", role, line, err)
	}
	return parent, strings.TrimSpace(line), buffered
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
}

func TestAServerDiesWithTheProcessThatStartedIt(t *testing.T) {
	t.Parallel()
	parent, addr, _ := startRole(t, "etcd")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	kill(t, parent)
	await(t, "the end of the server", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

func TestAWatchedProcessDiesWithItsParent(t *testing.T) {
	t.Parallel()
	parent, _, output := startRole(t, "watched sleeper")
	kill(t, parent)
	// The end of the output comes when nobody holds it any more.
	rest, err := io.ReadAll(output)
	if err != nil || len(rest) != 0 {
		t.Fatalf("output %q, error %v, want its end", rest, err)
	}
}

func TestAReleasedProcessOutlivesItsWatcher(t *testing.T) {
	t.Parallel()
	sleeper := exec.Command("sleep", "60")
	sleeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	servers.WatchParent(sleeper.Process.Pid)()
	if err := sleeper.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	kill(t, sleeper)
}
