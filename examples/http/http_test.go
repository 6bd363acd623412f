package bookhttp_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	bookhttp "github.com/adsum-go/adsum/examples/http"
	"github.com/adsum-go/adsum/lifecycle"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

// serve runs n copies until the test ends, and returns a view of them once all
// are passing.
func serve(t *testing.T, store *memory.Server, n int) *adsum.View {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	registry := store.Client()
	done := make(chan error)
	for range n {
		go func() {
			done <- bookhttp.Serve(ctx, "127.0.0.1:0", registry, lifecycle.WithDrainDelay(0), lifecycle.WithSignals())
		}()
	}
	dir := adsum.NewDirectory(registry)
	view, err := dir.Open(bookhttp.Service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		view.Close()
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	until(t, view, func(s *adsum.Snapshot) bool { return len(s.Select("", true)) == n })
	return view
}

func until(t *testing.T, view *adsum.View, condition func(*adsum.Snapshot) bool) {
	t.Helper()
	for change := range view.Changes(t.Context()) {
		if condition(change.Snapshot) {
			return
		}
	}
}

func ask(t *testing.T, store *memory.Server, requests int) (copies []string) {
	t.Helper()
	registry := store.Client()
	defer registry.Close()
	var out bytes.Buffer
	if err := bookhttp.Ask(t.Context(), &out, registry, requests); err != nil {
		t.Fatal(err)
	}
	const rest = `
获取书籍详情
bookId: 1  =>  bookName: 21天精通php
获取书籍列表
bookId: 1  =>  bookName: 21天精通php
bookId: 2  =>  bookName: 21天精通java
`
	for request := range strings.SplitSeq(strings.TrimSuffix(out.String(), rest), rest) {
		addr, ok := strings.CutPrefix(request, "请求服务:  ")
		if !ok {
			t.Fatalf("printed\n%s", &out)
		}
		copies = append(copies, addr)
	}
	return copies
}

func TestRequestsAlternate(t *testing.T) {
	store := memory.NewServer()
	serve(t, store, 2)
	copies := ask(t, store, 8)
	if len(copies) != 8 || len(slices.Compact(slices.Clone(copies))) != 8 {
		t.Errorf("answered by %v", copies)
	}
}

func TestACopyThatIsNotWellIsNotCalled(t *testing.T) {
	store := memory.NewServer()
	view := serve(t, store, 2)
	sick, well := view.Snapshot().Instances[0].Addr, view.Snapshot().Instances[1].Addr
	post(t, "http://"+sick+"/sick")
	until(t, view, func(s *adsum.Snapshot) bool {
		return s.Instances[0].Status == adsum.Critical && strings.Contains(s.Instances[0].Reason, "somebody posted to /sick")
	})
	for _, addr := range ask(t, store, 4) {
		if addr != well {
			t.Errorf("answered by %s, which is not well", addr)
		}
	}
	post(t, "http://"+sick+"/well")
	until(t, view, func(s *adsum.Snapshot) bool { return len(s.Select("", true)) == 2 })
	if copies := ask(t, store, 4); !slices.Contains(copies, sick) {
		t.Errorf("answered by %v", copies)
	}
}

func TestPagesForThePlatformAndForMistakes(t *testing.T) {
	view := serve(t, memory.NewServer(), 1)
	addr := view.Snapshot().Instances[0].Addr
	for path, want := range map[string]int{"/readyz": 200, "/healthz": 200, "/info/2": 200, "/info/3": 404, "/info/x": 400, "/nothing": 404} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}

func post(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	if err == nil {
		resp.Body.Close()
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	if err != nil {
		t.Fatal(err)
	}
}
