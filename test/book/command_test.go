//go:build unix

package book_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/adsum-go/adsum/test/servers"
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

func TestTheCommandCallsAnyServer(t *testing.T) {
	etcd := servers.StartEtcd(t, servers.EtcdOptions{})
	registry := "etcd://" + etcd.Addr() + "/services"
	startServer(t, registry, "grpc")
	startServer(t, registry, "kit")
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
