package adsumhttp_test

import (
	"io"
	"net/http"
	"testing"
)

// What the engine costs over a transport of the standard library that is tuned
// alike, against one server on loopback.
func BenchmarkRoundTrip(b *testing.B) {
	f := newFleet(b)
	srv := f.start("book", names("book"))
	plain := &http.Transport{MaxIdleConnsPerHost: 256}
	b.Cleanup(plain.CloseIdleConnections)
	for _, bench := range []struct {
		name, url string
		rt        http.RoundTripper
	}{
		{"net-http", srv.URL, plain},
		{"adsum", "http://book/", f.transport()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, bench.url, nil)
					if err != nil {
						b.Error(err)
						return
					}
					resp, err := bench.rt.RoundTrip(req)
					if err != nil {
						b.Error(err)
						return
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		})
	}
}
