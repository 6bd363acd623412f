//go:build unix

// Package book_test runs the programs of examples/book, and the command, as
// processes on a real etcd.
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
	args := append([]string{"build", "-o", programs + string(filepath.Separator) + name}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// bookServer is one of the server programs, running.
type bookServer struct {
	*exec.Cmd
	ended chan struct{}
}

// startServer returns once the server is registered.
func startServer(t *testing.T, registry, kind string) *bookServer {
	t.Helper()
	log := &watchedLog{want: "INFO registered", found: make(chan struct{})}
	cmd := exec.Command(filepath.Join(programs, "server-"+kind), "--registry", registry, "--listen", "127.0.0.1:0")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &bookServer{cmd, make(chan struct{})}
	go func() {
		defer close(s.ended)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		force := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		defer force.Stop()
		<-s.ended
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !cmd.ProcessState.Success() && status.Signal() != syscall.SIGKILL { // a test may kill it
			t.Errorf("server-%s: %v\n%s", kind, cmd.ProcessState, log)
		}
	})
	select {
	case <-log.found:
	case <-time.After(20 * time.Second):
		t.Fatalf("server-%s did not register:\n%s", kind, log)
	}
	return s
}

// watchedLog tells when the wanted text was written.
type watchedLog struct {
	mu    sync.Mutex
	text  bytes.Buffer
	want  string
	found chan struct{}
}

func (l *watchedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := strings.Contains(l.text.String(), l.want)
	l.text.Write(p)
	if !before && strings.Contains(l.text.String(), l.want) {
		close(l.found)
	}
	return len(p), nil
}

func (l *watchedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
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
