//go:build unix

// Package book_test runs the programs of examples/book, and the command, as
// processes on real registries.
package book_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

// programs is the folder with the built programs.
var programs string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "adsum-book-")
	if err == nil {
		programs = dir
		err = errors.Join(
			build("../../examples", "./book/server-grpc", "./book/server-kit", "./book/client-grpc", "./book/client-kit"),
			buildAs("server-http", "../../examples", "./http/server"),
			build("../../cmd/adsum", "."))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		os.Exit(1)
	}
	adsumtest.VerifyNoLeaks(m, adsumtest.AfterTests(func() { os.RemoveAll(dir) }))
}

// build builds programs of the module in dir.
func build(dir string, packages ...string) error { return buildAs("", dir, packages...) }

func buildAs(name, dir string, packages ...string) error {
	// Nobody debugs them, and to link them is most of the work.
	args := append([]string{"build", "-ldflags=-s -w", "-o", programs + string(filepath.Separator) + name}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// process is one of the programs, running.
type process struct {
	*exec.Cmd
	asked         sync.Once
	ended         chan struct{}
	out           *watchedLog
	endsAsItLikes bool // whatever its exit code
}

// startServer returns once the server is registered.
func startServer(t *testing.T, registry, kind string, args ...string) *process {
	t.Helper()
	args = append([]string{"--registry", registry, "--listen", "127.0.0.1:0"}, args...)
	return startProgram(t, "INFO registered", "server-"+kind, args...)
}

// startProgram returns once the program has written the text to its log. The
// end of the test is the program's, by SIGTERM.
func startProgram(t *testing.T, ready, name string, args ...string) *process {
	t.Helper()
	log, out := newWatchedLog(), newWatchedLog()
	cmd := exec.Command(filepath.Join(programs, name), args...)
	cmd.Stdout, cmd.Stderr = out, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &process{Cmd: cmd, ended: make(chan struct{}), out: out}
	go func() {
		defer close(s.ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		s.stop()
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !s.endsAsItLikes && !cmd.ProcessState.Success() && status.Signal() != syscall.SIGKILL { // a test may kill it
			t.Errorf("%s: %v\n%s", name, cmd.ProcessState, log)
		}
	})
	log.await(t, ready)
	return s
}

// ask asks the program to end, once: a second signal would cut its calls off.
func (s *process) ask() { s.asked.Do(func() { s.Process.Signal(syscall.SIGTERM) }) }

// stop asks the program to end and waits until it is gone.
func (s *process) stop() {
	s.ask()
	force := time.AfterFunc(20*time.Second, func() { s.Process.Kill() })
	defer force.Stop()
	<-s.ended
}

// watchedLog keeps what is written and tells when there is more.
type watchedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed and replaced with every write
}

func newWatchedLog() *watchedLog { return &watchedLog{more: make(chan struct{})} }

func (l *watchedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.more)
	l.more = make(chan struct{})
	return l.text.Write(p)
}

func (l *watchedLog) read() (text string, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.more
}

func (l *watchedLog) String() string {
	text, _ := l.read()
	return text
}

// await waits until the text was written.
func (l *watchedLog) await(t *testing.T, want string) {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		text, more := l.read()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-more:
		case <-late:
			t.Fatalf("nothing says %q:\n%s", want, text)
		}
	}
}

// callers runs a client and returns the copies that answered its requests,
// having checked that all else is as it should be.
func callers(t *testing.T, registry, kind string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "client-"+kind), "--registry", registry)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("client-%s: %v\n%s", kind, err, &log)
	}
	const rest = `
获取书籍详情
bookId: 1  =>  bookName: 21天精通php
获取书籍列表
bookId: 1  =>  bookName: 21天精通php
bookId: 2  =>  bookName: 21天精通java
`
	var addrs []string
	for answer := range strings.SplitSeq(string(out), "请求服务:  ") {
		if answer == "" {
			continue
		}
		addr, ok := strings.CutSuffix(answer, rest)
		if !ok {
			t.Fatalf("client-%s printed\n%s", kind, out)
		}
		addrs = append(addrs, addr)
	}
	return addrs
}

func TestAnyServerWorksWithAnyClientAndRequestsAlternate(t *testing.T) {
	etcd := servers.StartEtcd(t, servers.EtcdOptions{})
	for _, copies := range [][2]string{{"grpc", "grpc"}, {"kit", "kit"}, {"grpc", "kit"}} {
		t.Run(copies[0]+"+"+copies[1], func(t *testing.T) {
			registry := "etcd://" + etcd.Addr() + "/" + t.Name()
			for _, kind := range copies {
				startServer(t, registry, kind)
			}
			for _, client := range []string{"grpc", "kit"} {
				alternate(t, client, callers(t, registry, client))
			}
		})
	}
}

// alternate checks that 8 requests went to two copies in turn.
func alternate(t *testing.T, client string, addrs []string) {
	t.Helper()
	if len(addrs) != 8 {
		t.Fatalf("client-%s made %d requests, want 8", client, len(addrs))
	}
	for i, addr := range addrs {
		if addrs[i%2] != addr || addrs[0] == addrs[1] {
			t.Errorf("client-%s: requests do not alternate: %q", client, addrs)
			return
		}
	}
}
