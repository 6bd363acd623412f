package adsumhttp

import (
	"maps"
	"net/http"
	"slices"
)

// Admin is the handler of a port of its own on which those who run a program
// look after it: /healthz ([Healthz]), /readyz ([Readyz] with the checks), and
// whatever more there is, by pattern of [http.ServeMux], such as a handler of
// metrics:
//
//	adsumhttp.Admin(checks, map[string]http.Handler{"/metrics": promhttp.Handler()})
//
// The root page lists them. Listen on loopback, or where only those who may see
// it can reach it: what it shows is not for callers of the service.
func Admin(checks []Check, more map[string]http.Handler) http.Handler {
	pages := map[string]http.Handler{"/healthz": Healthz(), "/readyz": Readyz(checks...)}
	maps.Copy(pages, more)
	mux := http.NewServeMux()
	for pattern, handler := range pages {
		mux.Handle(pattern, handler)
	}
	if pages["/"] == nil {
		list := slices.Sorted(maps.Keys(pages))
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { report(w, http.StatusOK, list...) })
	}
	return mux
}
