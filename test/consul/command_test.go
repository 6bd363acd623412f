package consul_test

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum/test/servers"
)

func TestTheCommandRegistersListsWatchesAndRemoves(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	adsum := filepath.Join(t.TempDir(), "adsum")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", adsum, ".")
	build.Dir = filepath.Join("..", "..", "cmd", "adsum")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v: %s", err, out)
	}
	registry := "consul://" + srv.Addr()
	run := func(want string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(soon(t), adsum, append([]string{"--registry", registry}, args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v, %s", args, err, out)
		}
	}
	watch := printed(t, adsum, "--registry", registry, "watch", "book")
	printed(t, adsum, "--registry", registry, "register", "--name", "book", "--addr", "10.0.0.1:1", "--tag", "blue")
	for line := range watch {
		if strings.Contains(line, "10.0.0.1:1") {
			break
		}
	}
	run("10.0.0.1:1", "instances", "book")
	run("10.0.0.1:1", "resolve", "book", "--tag", "blue")
	run("book", "services")
	if err := admin(t, srv.Addr(), "").Agent().ServiceRegister(&api.AgentServiceRegistration{ID: "left", Name: "book", Address: "10.0.0.1", Port: 2}); err != nil {
		t.Fatal(err)
	}
	run("left", "instances", "book")
	run("removed book/left", "deregister", "book", "left")
}

// printed runs the command until the test ends, and yields the lines that it
// prints.
func printed(t *testing.T, name string, args ...string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience) // longer than all waits of the test
	command := exec.CommandContext(ctx, name, args...)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		for range lines {
		}
		_ = command.Wait() // it was killed
	})
	return lines
}
