package adsumtest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
)

// A black hole accepts connections and says nothing. What was asked meanwhile
// is answered when it ends.
func ExampleStartProxy() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
	defer server.Close()
	proxy, err := adsumtest.StartProxy(server.Listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()

	proxy.Hang()
	time.AfterFunc(50*time.Millisecond, proxy.Resume)
	start := time.Now()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + proxy.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Printf("%s, late: %t, connections: %d\n", body, time.Since(start) >= 50*time.Millisecond, proxy.Accepted())
	// Output: hello, late: true, connections: 1
}
