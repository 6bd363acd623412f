//go:build unix

package book_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// spread runs adsum and returns how many calls each copy answered, and how
// many calls failed.
func spread(t *testing.T, registry string, args ...string) (calls []int, failed int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "adsum"), append(args, "--registry", registry, "-o", "json")...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("adsum %q: %v", args, err)
	}
	type share struct{ Calls, Failed int }
	var document struct{ Spread, Copies []share }
	if err := json.Unmarshal(out, &document); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, s := range append(document.Spread, document.Copies...) {
		calls = append(calls, s.Calls)
		failed += s.Failed
	}
	return calls, failed
}

func TestProgramsAndCommandWorkOnEveryRegistry(t *testing.T) {
	onEachProduct(t, func(t *testing.T, p product) {
		registry := p.url(quick, p.start(t, quick).Addr())
		ttl := []string{"--ttl", quick.ttl.String()}
		startServer(t, registry, "grpc", ttl...)
		startServer(t, registry, "kit", ttl...)
		for _, client := range []string{"grpc", "kit"} {
			alternate(t, client, callers(t, registry, client))
		}
		callsSpread(t, registry)
		registersAndWatches(t, registry)
		runs(t, registry)
		demonstrates(t, registry)
	})
}

func callsSpread(t *testing.T, registry string) {
	info := []string{"book", "book.BookService/GetBookInfo", "-d", `{"book_id":1}`}
	for _, args := range [][]string{
		append([]string{"call", "-n", "20", "--policy", "round_robin"}, info...),
		append([]string{"bench", "--rate", "100", "--duration", "200ms", "--policy", "round_robin"}, info...),
	} {
		calls, failed := spread(t, registry, args...)
		if len(calls) != 2 || calls[0] != 10 || calls[1] != 10 || failed != 0 {
			t.Errorf("adsum %q: copies had %v of 20 calls, %d failed", args, calls, failed)
		}
	}
}

func registersAndWatches(t *testing.T, registry string) {
	watch := startProgram(t, "watching", "adsum", "--registry", registry, "watch", "shelf", "-o", "jsonl")
	kept := startProgram(t, "registered shelf", "adsum", "--registry", registry, "register",
		"--name", "shelf", "--addr", "10.0.0.1:80", "--zone", "eu-1", "--weight", "3", "--tag", "blue", "--ttl", quick.ttl.String())
	watch.out.await(t, `"zone":"eu-1"`)
	for _, c := range []struct{ args, want string }{
		{"instances shelf", "10.0.0.1:80"}, {"services", "shelf"}, {"resolve shelf --tag blue", "10.0.0.1:80"},
	} {
		if out := adsumOut(t, registry, strings.Fields(c.args)...); !strings.Contains(out, c.want) {
			t.Errorf("adsum %s: %s", c.args, out)
		}
	}
	kept.stop()
	watch.out.await(t, `"total":0`)
	watch.stop()
}

func runs(t *testing.T, registry string) {
	kept := startProgram(t, "registered web", "adsum", "--registry", registry, "run", "--name", "web", "--addr", "127.0.0.1:1",
		"--check", "exec:true", "--drain", "50ms", "--grace", "50ms", "--", "sleep", "1000")
	if out := adsumOut(t, registry, "resolve", "web"); out != "127.0.0.1:1\n" {
		t.Errorf("adsum resolve web: %q", out)
	}
	kept.ask()
	<-kept.ended
	if code := kept.ProcessState.ExitCode(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("adsum run ended with %d, not as its program", code)
	}
	kept.endsAsItLikes = true
}

func demonstrates(t *testing.T, registry string) {
	if out := adsumOut(t, registry, "demo"); !strings.Contains(out, "failed: 0\n") {
		t.Errorf("adsum demo:\n%s", out)
	}
}

// adsumOut runs the command and returns what it printed.
func adsumOut(t *testing.T, registry string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "adsum"), append([]string{"--registry", registry}, args...)...)
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("adsum %q: %v\n%s%s", args, err, out, &log)
	}
	return string(out)
}

func TestTheCommandTellsWhichRegistryItIsAndWhatThatCannotDo(t *testing.T) {
	for _, c := range []struct{ url, command, want string }{
		{"eureka+http://127.0.0.1:1/eureka", "register --name shelf --addr 10.0.0.1:80", "that registry never removes a copy that crashed"},
		{"eureka+http://127.0.0.1:1/eureka?self-preservation=false", "register --name shelf --addr 10.0.0.1:80", "a crash may take up to"},
		{"eureka+http://127.0.0.1:1/eureka", "watch shelf", "a change may take up to"},
		{"eureka+http://127.0.0.1:1/eureka", "watch shelf", `"shelf" in eureka+http://127.0.0.1:1/eureka`},
	} {
		told := startProgram(t, c.want, "adsum", append(strings.Fields(c.command), "--registry", c.url)...)
		told.endsAsItLikes = true // nothing listens there
		told.stop()
	}
}
