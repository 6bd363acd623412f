package eureka_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestTheCommandRegistersListsAndWatches(t *testing.T) {
	t.Parallel()
	adsum, registry := command(t), "eureka+"+sharedServer(t).URLs()[0]+quick
	watch := lines(t, adsum, "--registry", registry, "watch", "commanded")
	lines(t, adsum, "--registry", registry, "register", "--name", "commanded", "--addr", "10.0.0.1:1")
	for line := range watch {
		if strings.Contains(line, "10.0.0.1:1") {
			break
		}
	}
	for _, c := range [][]string{{"instances", "commanded"}, {"services"}, {"resolve", "commanded"}} {
		want := map[bool]string{true: "commanded", false: "10.0.0.1:1"}[c[0] == "services"]
		if out := run(t, adsum, registry, c...); !strings.Contains(out, want) {
			t.Errorf("%v: %s", c, out)
		}
	}
}

func TestTheCommandDrainsAndWeighs(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	adsum, registry, in := command(t), "eureka+"+srv.URLs()[0]+quick, copyOf("weighed", 1)
	keep(t, open(t, srv), in)
	for _, step := range []struct {
		command       []string
		says, inForce string
	}{
		{[]string{"drain", "weighed", in.Addr, "--reason", "disk swap"}, "draining (disk swap)", "draining disk swap"},
		{[]string{"weight", "weighed", in.Addr, "7"}, "draining, weight 7", "draining 7 disk swap"},
		{[]string{"drain", "weighed", in.Addr, "--undo"}, "weight 7", "7"},
		{[]string{"weight", "weighed", in.Addr, "--undo"}, "no override on weighed/" + in.Addr + " any more", "no overrides on weighed"},
	} {
		if out := run(t, adsum, registry, step.command...); !strings.Contains(out, step.says) {
			t.Errorf("%v: %s", step.command, out)
		}
		out := strings.Join(strings.Fields(run(t, adsum, registry, "overrides", "weighed")), " ")
		if !strings.Contains(out, step.inForce) {
			t.Errorf("after %v in force is: %s", step.command, out)
		}
	}
}

// command builds the command, once.
func command(t *testing.T) string {
	t.Helper()
	adsum, err := builtCommand()
	if err != nil {
		t.Fatal(err)
	}
	return adsum
}

var builtCommand = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "adsum-command-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	adsum := filepath.Join(dir, "adsum")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", adsum, ".")
	build.Dir = filepath.Join("..", "..", "cmd", "adsum")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w: %s", err, out)
	}
	return adsum, nil
})

var builtIn string // the folder of the command, removed after the tests

// run runs the command to its end and returns all that it printed.
func run(t *testing.T, adsum, registry string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(soon(t), adsum, append([]string{"--registry", registry}, args...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v, %s", args, err, out)
	}
	return string(out)
}

// lines runs the command until the test ends, and yields what it prints.
func lines(t *testing.T, name string, args ...string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	command := exec.CommandContext(ctx, name, args...)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	printed := make(chan string, 1000)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(printed)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			printed <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = command.Wait() // it was killed
	})
	return printed
}
