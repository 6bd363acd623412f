package adsumhttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lifecycle"
	"github.com/adsum-go/adsum/memory"
)

// A server and a client that know nothing of each other but a name.
func Example() {
	quiet := slog.New(slog.DiscardHandler)
	registry := memory.New() // or etcd.Open("etcd://127.0.0.1:2379/services")
	defer registry.Close()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "21天精通java")
	})}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	registered := make(chan *adsum.Registration, 1)
	stopped := make(chan error)
	go func() {
		stopped <- adsumhttp.Serve(ctx, server, listener, registry, adsum.Instance{Service: "book"},
			lifecycle.WithLogger(quiet), lifecycle.OnRegister(func(r *adsum.Registration) { registered <- r }))
	}()
	reg := <-registered
	reg.Wait(ctx, func(s adsum.RegistrationState) bool { return s.Registered })

	dir := adsum.NewDirectory(registry, adsum.WithLogger(quiet))
	defer dir.Close()
	transport := adsumhttp.NewTransport(dir)
	defer transport.Close()
	web := &http.Client{Transport: transport}

	resp, err := web.Get("http://book/2")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Println(resp.StatusCode, string(body))
	fmt.Println(adsumhttp.EndpointOf(resp).Addr() == listener.Addr().String())

	stop()
	fmt.Println("stopped:", <-stopped)
	// Output:
	// 200 21天精通java
	// true
	// stopped: <nil>
}

// What a handler starts ends when nobody waits for it any more.
func ExampleDeadlineHandler() {
	query := func(ctx context.Context) error { // a database that is slow
		<-ctx.Done()
		return ctx.Err()
	}
	handler := adsumhttp.DeadlineHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := query(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusGatewayTimeout)
		}
	}), time.Minute)

	r := httptest.NewRequest(http.MethodGet, "/book/2", nil)
	r.Header.Set(adsumhttp.DeadlineHeader, "5") // ms, as a Transport sends it
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code)
	fmt.Print(w.Body)
	// Output:
	// 504
	// context deadline exceeded
}

// A second port for those who run the program, with a page of one's own.
func ExampleAdmin() {
	ready := adsumhttp.Passes("database", func(context.Context) error { return nil })
	version := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "v1.2.3") })
	admin := adsumhttp.Admin([]adsumhttp.Check{ready}, map[string]http.Handler{"/version": version})

	for _, path := range []string{"/", "/readyz", "/version"} {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(w.Code, strings.ReplaceAll(strings.TrimSpace(w.Body.String()), "\n", ", "))
	}
	// Output:
	// 200 /healthz, /readyz, /version
	// 200 ready, database: passes
	// 200 v1.2.3
}
