package adsumhttp

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
)

// Healthz answers 200 "ok" as long as the process answers at all. It asks about
// nothing else: a process is not to be restarted because its registry is down.
func Healthz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { report(w, http.StatusOK, "ok") })
}

// Readyz answers 200 when every check passes, else 503. The body has a line
// for each check with its note or what is wrong.
func Readyz(checks ...Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, lines := http.StatusOK, []string{"ready"}
		for _, check := range checks {
			note, err := check(r.Context())
			if err != nil {
				status, lines[0], note = http.StatusServiceUnavailable, "not ready", "failed: "+err.Error()
			}
			lines = append(lines, note)
		}
		report(w, status, lines...)
	})
}

func report(w http.ResponseWriter, status int, lines ...string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

// Check is one condition of being ready: a note for people, or what is wrong.
// It must not block.
type Check func(ctx context.Context) (note string, err error)

// Passes is the check that f returns nil, such as the Ready of a health
// checker.
func Passes(name string, f func(context.Context) error) Check {
	return func(ctx context.Context) (string, error) {
		if err := f(ctx); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return name + ": passes", nil
	}
}

// Registered is the check that the registry holds the instance.
func Registered(r *adsum.Registration) Check {
	return func(ctx context.Context) (string, error) {
		if err := r.Ready(ctx); err != nil {
			return "", err
		}
		in := r.Instance()
		return fmt.Sprintf("%v: registered since %s", &in, r.State().Since.UTC().Format(time.RFC3339)), nil
	}
}

// Synced is the check that something is known of a service that this program
// calls. What is known but stale will do, and is flagged: calls go on with it,
// and taking this program out as well would help nobody.
func Synced(view *adsum.View) Check {
	return func(context.Context) (string, error) {
		s := view.Snapshot()
		if !s.Known() {
			if s.Err != nil {
				return "", fmt.Errorf("%s: %w: %w", view.Service(), adsum.ErrNoSnapshot, s.Err)
			}
			return "", fmt.Errorf("%s: %w", view.Service(), adsum.ErrNoSnapshot)
		}
		note := fmt.Sprintf("%s: %d instances", view.Service(), len(s.Instances))
		if s.Stale() {
			note += ", stale since " + s.StaleSince.UTC().Format(time.RFC3339)
		}
		return note, nil
	}
}

// SyncedAll is [Synced] for all services that a directory watches, with what
// [adsum.Directory.Ready] says of one that is asked for later.
func SyncedAll(dir *adsum.Directory) Check {
	return func(ctx context.Context) (string, error) {
		if err := dir.Ready(ctx); err != nil {
			return "", err
		}
		services := dir.Stats().Services
		note := fmt.Sprintf("directory: %d services watched", len(services))
		for _, s := range services {
			if s.Stale {
				note += fmt.Sprintf(", %s stale since %s", s.Service, s.StaleSince.UTC().Format(time.RFC3339))
			}
		}
		return note, nil
	}
}
