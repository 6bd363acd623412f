package eureka_test

import (
	"bufio"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheCommandRegistersListsAndWatches(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	adsum := filepath.Join(t.TempDir(), "adsum")
	build := exec.Command("go", "build", "-o", adsum, ".")
	build.Dir = filepath.Join("..", "..", "cmd", "adsum")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v: %s", err, out)
	}
	registry := "eureka+" + srv.URLs()[0] + quick
	watch := lines(t, adsum, "--registry", registry, "watch", "commanded")
	lines(t, adsum, "--registry", registry, "register", "--name", "commanded", "--addr", "10.0.0.1:1")
	for line := range watch {
		if strings.Contains(line, "10.0.0.1:1") {
			break
		}
	}
	for _, c := range [][]string{{"instances", "commanded"}, {"services"}, {"resolve", "commanded"}} {
		out, err := exec.CommandContext(soon(t), adsum, append([]string{"--registry", registry}, c...)...).CombinedOutput()
		if want := map[bool]string{true: "commanded", false: "10.0.0.1:1"}[c[0] == "services"]; err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %v, %s", c, err, out)
		}
	}
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
