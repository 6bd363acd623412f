//go:build unix

package migration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kithttp "github.com/go-kit/kit/transport/http"
	"github.com/go-kit/log"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/memory"
	"github.com/adsum-go/adsum/test/servers"
)

func TestMain(m *testing.M) {
	// go-kit's sd/etcdv3 cannot close its client, and callerBefore stops
	// nothing, as programs on go-kit do.
	adsumtest.VerifyNoLeaks(m, adsumtest.AllowGoroutines(
		"github.com/go-kit/kit/sd/etcdv3.(*Instancer).loop",
		"github.com/go-kit/kit/sd.(*DefaultEndpointer).receive",
		"google.golang.org/grpc/internal/grpcsync.NewCallbackSerializer",
		"google.golang.org/grpc.(*acBalancerWrapper).Connect",
	))
}

// bookServer is a go-kit service over HTTP that says who answered.
func bookServer(t *testing.T) (addr string) {
	t.Helper()
	var name string
	server := httptest.NewServer(kithttp.NewServer(
		func(context.Context, any) (any, error) { return name, nil },
		kithttp.NopRequestDecoder,
		kithttp.EncodeJSONResponse,
	))
	t.Cleanup(server.Close)
	name = strings.TrimPrefix(server.URL, "http://")
	return name
}

// bookFactory is what a program keeps when it moves.
func bookFactory(instance string) (endpoint.Endpoint, io.Closer, error) {
	target, err := url.Parse("http://" + instance + "/")
	if err != nil {
		return nil, nil, err
	}
	decode := func(_ context.Context, response *http.Response) (any, error) {
		var name string
		err := json.NewDecoder(response.Body).Decode(&name)
		return name, err
	}
	client := &http.Client{Transport: &http.Transport{}}
	call := kithttp.NewClient(http.MethodGet, target, kithttp.EncodeJSONRequest, decode, kithttp.SetClient(client)).Endpoint()
	return call, closer(client.CloseIdleConnections), nil
}

type closer func()

func (c closer) Close() error {
	c()
	return nil
}

func TestCopiesAndCallersOfBothWorkTogether(t *testing.T) {
	store := servers.StartEtcd(t, servers.EtcdOptions{})
	logger := log.NewNopLogger()
	base := fmt.Sprintf("etcd://%s/services", strings.TrimPrefix(store.Endpoints()[0], "http://"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	old, moved := bookServer(t), bookServer(t)
	withdrawOld, err := registerBefore(ctx, store.Endpoints(), old, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer withdrawOld()
	withdrawMoved, err := registerAfter(base+"?codec=addr", moved, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer withdrawMoved()

	oldCall, err := callerBefore(ctx, store.Endpoints(), bookFactory, logger)
	if err != nil {
		t.Fatal(err)
	}
	movedCall, stop, err := callerAfter(base, bookFactory, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()

	both := []string{old, moved}
	slices.Sort(both)
	for name, call := range map[string]endpoint.Endpoint{"go-kit's caller": oldCall, "our caller": movedCall} {
		if got := untilSeen(t, call, 2); !slices.Equal(got, both) {
			t.Errorf("%s reaches %v, want %v", name, got, both)
		}
	}
}

// What the guide says of registrations, on an etcd that lost its data.
func TestAWipedEtcdGetsOurRegistrationBackAndNotGoKits(t *testing.T) {
	store := servers.StartEtcd(t, servers.EtcdOptions{})
	base := fmt.Sprintf("etcd://%s/services", store.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	withdrawOld, err := registerBefore(ctx, store.Endpoints(), "127.0.0.1:1", log.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer withdrawOld()
	withdrawMoved, err := registerAfter(base+"?codec=addr", "127.0.0.1:2", log.NewNopLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer withdrawMoved()
	if got := registered(t, base, 2); !slices.Equal(got, []string{"127.0.0.1:1", "127.0.0.1:2"}) {
		t.Fatalf("registered: %v", got)
	}
	store.Wipe()
	wiped := time.Now()
	if got := registered(t, base, 1); !slices.Equal(got, []string{"127.0.0.1:2"}) {
		t.Errorf("registered after the wipe: %v", got)
	}
	t.Logf("back after %v", time.Since(wiped).Round(time.Millisecond))
}

// registered waits until at least n instances are, and returns which.
func registered(t *testing.T, etcdURL string, n int) (ids []string) {
	t.Helper()
	registry, err := etcd.Open(etcdURL)
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = registry.Watch(ctx, "book", func(l adsum.Listing) {
		if len(l.Instances) >= n && ctx.Err() == nil {
			for _, in := range l.Instances {
				ids = append(ids, in.ID)
			}
			cancel()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

func TestAnInstancerOfGoKitFeedsADirectory(t *testing.T) {
	directory := directoryOn(sd.FixedInstancer{"10.0.0.1:80", "10.0.0.2:80"})
	defer directory.Close()
	found, err := directory.Discover(t.Context(), "book", "", true)
	if err != nil || len(found) != 2 {
		t.Fatalf("found %v, %v", found, err)
	}
}

func TestErrorsOfGRPCAreJudgedByTheirCode(t *testing.T) {
	registry := memory.NewServer().Client()
	directory := adsum.NewDirectory(registry)
	var registrars []*adsumkit.Registrar
	for _, addr := range []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} {
		registrar, err := adsumkit.NewRegistrar(registry, adsum.Instance{Service: "book", Addr: addr})
		if err != nil {
			t.Fatal(err)
		}
		registrar.Register()
		registrars = append(registrars, registrar)
	}
	defer func() {
		for _, registrar := range registrars {
			registrar.Deregister()
		}
		if err := errors.Join(directory.Close(), registry.Close()); err != nil {
			t.Error(err)
		}
	}()
	for _, registrar := range registrars {
		if err := registrar.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	instancer, err := adsumkit.NewInstancer(directory, "book")
	if err != nil {
		t.Fatal(err)
	}
	defer instancer.Stop()
	var answer error
	tries := 0
	endpointer := adsumkit.NewEndpointer(instancer, func(string) (endpoint.Endpoint, io.Closer, error) {
		return func(context.Context, any) (any, error) { tries++; return nil, answer }, nil, nil
	})
	defer endpointer.Close()
	call := callerOverGRPC(endpointer)
	for code, want := range map[codes.Code]int{codes.NotFound: 1, codes.InvalidArgument: 1, codes.Unavailable: 3} {
		answer, tries = status.Error(code, "no"), 0
		if _, err := call(t.Context(), nil); status.Code(err) != code || tries != want {
			t.Errorf("%v: %d tries, want %d; error %v", code, tries, want, err)
		}
	}
}

// untilSeen calls until that many different copies have answered, and returns
// who did.
func untilSeen(t *testing.T, call endpoint.Endpoint, copies int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	seen := map[string]bool{}
	for len(seen) < copies && ctx.Err() == nil {
		if name, err := call(ctx, nil); err == nil {
			seen[name.(string)] = true
		}
	}
	var names []string
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestTheGuidesCodeIsCodeThatRuns(t *testing.T) {
	var code strings.Builder
	for _, name := range []string{"before_test.go", "after_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(normal(string(text)))
	}
	guide, err := os.ReadFile("../../docs/migrating-from-go-kit.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(guide), "```go\n")[1:]
	if len(blocks) < 4 {
		t.Errorf("the guide has %d blocks of code", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(code.String(), normal(block)) {
			t.Errorf("this block of the guide is not in the programs:\n%s", block)
		}
	}
}

// normal takes indentation and empty lines out.
func normal(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
