package book_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum/test/servers"
)

func TestADrainAndAWeightShowInARunningBenchAndCostNoConnection(t *testing.T) {
	etcd := servers.StartEtcd(t, servers.EtcdOptions{})
	registry := "etcd://" + etcd.Addr() + "/services"
	startServer(t, registry, "grpc")
	startServer(t, registry, "grpc")
	b := startBench(t, registry)
	both := b.until("both copies are called", func(calls map[string]int) bool { return len(calls) == 2 })
	var ids []string
	for id := range both {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	connections := b.connections(ids)
	if len(connections) < 2 {
		t.Fatalf("connections to %v: %v", ids, connections)
	}

	command(t, registry, "drain", "book", ids[0])
	b.until("the drained copy has no call", func(calls map[string]int) bool { return calls[ids[0]] == 0 && calls[ids[1]] > 0 })
	command(t, registry, "drain", "book", ids[0], "--undo")
	b.until("it has its share again", func(calls map[string]int) bool { return calls[ids[0]]*2 > calls[ids[1]] })
	command(t, registry, "weight", "book", ids[1], "9")
	b.until("the heavy copy has most", func(calls map[string]int) bool { return calls[ids[0]] > 0 && calls[ids[1]] > 4*calls[ids[0]] })

	if now := b.connections(ids); !slices.Equal(now, connections) {
		t.Errorf("connections before %v, and after %v", connections, now)
	}
	if final := b.finish(); final.Failed != 0 || final.Calls == 0 {
		t.Errorf("%d of %d calls failed: %v", final.Failed, final.Calls, final.Errors)
	}
}

// command runs adsum.
func command(t *testing.T, registry string, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(programs, "adsum"), append(args, "--registry", registry)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("adsum %q: %v\n%s", args, err, out)
	}
}

// bench is adsum bench, running.
type bench struct {
	*testing.T
	cmd   *exec.Cmd
	lines chan second
	log   bytes.Buffer
}

// second is a line of its report.
type second struct {
	Final  bool
	Calls  int
	Failed int
	Errors map[string]int
	Copies []struct {
		ID    string
		Calls int
	}
}

func startBench(t *testing.T, registry string) *bench {
	t.Helper()
	b := &bench{T: t, lines: make(chan second, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	b.cmd = exec.CommandContext(ctx, filepath.Join(programs, "adsum"), "bench", "book", "book.BookService/GetBookInfo", "-d", `{"book_id":1}`,
		"--rate", "200", "--duration", "10m", "--policy", "weighted", "-o", "jsonl", "--registry", registry)
	b.cmd.Stderr = &b.log
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(b.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			var line second
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				t.Errorf("%v: %s", err, scanner.Bytes())
				return
			}
			b.lines <- line
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = b.cmd.Wait() // it was interrupted
	})
	return b
}

// until reads what copies had in each second from now on until that is so.
func (b *bench) until(what string, condition func(calls map[string]int) bool) map[string]int {
	b.Helper()
	began := time.Now()
	limit := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-b.lines:
			if !ok {
				b.Fatalf("it ended before this was seen: %s", what)
			}
			calls := map[string]int{}
			for _, c := range line.Copies {
				calls[c.ID] = c.Calls
			}
			if condition(calls) {
				b.Logf("%s: %v, seen after %v", what, calls, time.Since(began).Round(time.Millisecond))
				return calls
			}
		case <-limit:
			b.Fatalf("not seen in 20 s: %s", what)
		}
	}
}

// finish interrupts it and returns its last report.
func (b *bench) finish() (last second) {
	b.Helper()
	_ = b.cmd.Process.Signal(syscall.SIGINT)
	for last = range b.lines {
	}
	if !last.Final {
		b.Fatalf("no final report, %s", &b.log)
	}
	return last
}

// connections are those of the process to these addresses, as the kernel tells:
// the local port and the remote one.
func (b *bench) connections(addrs []string) (list []string) {
	b.Helper()
	ports := map[string]bool{}
	for _, addr := range addrs {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			b.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			b.Fatal(err)
		}
		ports[fmt.Sprintf("%04X", n)] = true
	}
	proc := fmt.Sprintf("/proc/%d/", b.cmd.Process.Pid)
	sockets := map[string]bool{}
	open, err := os.ReadDir(proc + "fd")
	if err != nil {
		b.Fatal(err)
	}
	for _, fd := range open {
		link, _ := os.Readlink(proc + "fd/" + fd.Name()) // it may be closed by now
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	table, err := os.ReadFile(proc + "net/tcp")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		const local, remote, state, inode = 1, 2, 3, 9
		fields := strings.Fields(line)
		if len(fields) <= inode || !sockets[fields[inode]] || fields[state] != "01" {
			continue
		}
		if _, port, _ := strings.Cut(fields[remote], ":"); ports[port] {
			list = append(list, fields[local]+" "+fields[remote])
		}
	}
	slices.Sort(list)
	return list
}
