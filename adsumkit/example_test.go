package adsumkit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kithttp "github.com/go-kit/kit/transport/http"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
	"github.com/adsum-go/adsum/memory"
)

// The factory is the program's own, and go-kit's as ever.
func titleFactory(instance string) (endpoint.Endpoint, io.Closer, error) {
	target := &url.URL{Scheme: "http", Host: instance, Path: "/"}
	client := &http.Client{Transport: &http.Transport{}}
	return kithttp.NewClient(http.MethodGet, target, kithttp.EncodeJSONRequest, decodeTitle, kithttp.SetClient(client)).Endpoint(),
		closer(func() error { client.CloseIdleConnections(); return nil }), nil
}

func decodeTitle(_ context.Context, r *http.Response) (any, error) {
	var title string
	err := json.NewDecoder(r.Body).Decode(&title)
	return title, err
}

// A go-kit server registers, a go-kit client finds it and calls it.
func Example() {
	server := httptest.NewServer(kithttp.NewServer(
		func(context.Context, any) (any, error) { return "21天精通php", nil },
		kithttp.NopRequestDecoder, kithttp.EncodeJSONResponse))
	defer server.Close()

	registry := memory.NewServer().Client() // in earnest: etcd.Open("etcd://127.0.0.1:2379/services")
	defer registry.Close()
	registrar, err := adsumkit.NewRegistrar(registry,
		adsum.Instance{Service: "book", Addr: strings.TrimPrefix(server.URL, "http://")}, quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	registrar.Register()
	defer registrar.Deregister()
	if err := registrar.WaitReady(context.Background()); err != nil { // so that the client below finds it at once
		fmt.Println(err)
		return
	}

	directory := adsum.NewDirectory(registry, quiet)
	defer directory.Close()
	instancer, err := adsumkit.NewInstancer(directory, "book")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer instancer.Stop()
	endpointer := adsumkit.NewEndpointer(instancer, titleFactory)
	defer endpointer.Close()
	balancer := adsumkit.NewBalancer(endpointer, lb.RoundRobin)
	title := adsumkit.Retry(3, 3*time.Second, balancer, adsumkit.Idempotent())

	fmt.Println(title(context.Background(), nil))
	// Output:
	// 21天精通php <nil>
}

// What servers tell of their load reaches the balancer by one more option in the
// factory. Their side is adsumhttp.LoadHandler, or as here anything that sends the
// header.
func ExampleLoadFromHTTP() {
	meter := &load.Meter{}
	tell := kithttp.ServerAfter(func(ctx context.Context, w http.ResponseWriter) context.Context {
		report := meter.Report()
		w.Header().Set(load.Header, string(report.AppendText(nil)))
		return ctx
	})
	server := httptest.NewServer(kithttp.NewServer(
		func(context.Context, any) (any, error) { return "21天精通php", nil },
		kithttp.NopRequestDecoder, kithttp.EncodeJSONResponse, tell))
	defer server.Close()

	factory := func(instance string) (endpoint.Endpoint, io.Closer, error) {
		target := &url.URL{Scheme: "http", Host: instance, Path: "/"}
		client := &http.Client{Transport: &http.Transport{}}
		return kithttp.NewClient(http.MethodGet, target, kithttp.EncodeJSONRequest, decodeTitle, kithttp.SetClient(client),
				kithttp.ClientAfter(adsumkit.LoadFromHTTP)).Endpoint(),
			closer(func() error { client.CloseIdleConnections(); return nil }), nil
	}
	registry := adsumkit.FromInstancers(map[string]sd.Instancer{"book": sd.FixedInstancer{server.URL}})
	defer registry.Close()
	directory := adsum.NewDirectory(registry, quiet)
	defer directory.Close()
	instancer, err := adsumkit.NewInstancer(directory, "book")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer instancer.Stop()
	endpointer := adsumkit.NewEndpointer(instancer, factory)
	defer endpointer.Close()
	balancer := adsumkit.NewBalancer(endpointer, lb.C3) // goes by what servers tell
	title := adsumkit.Retry(3, 3*time.Second, balancer, adsumkit.Idempotent())

	fmt.Println(title(context.Background(), nil))
	// Output:
	// 21天精通php <nil>
}

// Whatever go-kit's sd packages find, adsum's clients can call.
func ExampleFromInstancers() {
	gokit := sd.FixedInstancer{"10.0.0.5:8080", "http://10.0.0.6:8080"} // or consul.NewInstancer(…)
	registry := adsumkit.FromInstancers(map[string]sd.Instancer{"book": gokit})
	defer registry.Close()
	directory := adsum.NewDirectory(registry, quiet)
	defer directory.Close()

	found, err := directory.Discover(context.Background(), "book", "", true)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, in := range found {
		fmt.Println(in.Addr, in.Status)
	}
	// Output:
	// 10.0.0.5:8080 passing
	// 10.0.0.6:8080 passing
}
