package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// Watch implements [adsum.Registry]. It costs the agent one blocking query,
// and two small requests every half heartbeat. An agent that froze makes it
// fail with [adsum.ErrSilent] within half a heartbeat and [Options.Timeout].
func (r *Registry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	if err := adsum.ValidateService(service); err != nil {
		return err
	}
	w := &watch{r: r, view: newView(service), to: emit}
	w.view.written = r.writings.of(service)
	defer func() { r.writings.keep(service, w.view.written) }()
	return r.follow(ctx, w, "watch service "+service)
}

// watch follows the instances of a service.
type watch struct {
	r      *Registry
	view   *view
	to     func(adsum.Listing)
	broken []adsum.Skipped // overrides
}

func (w *watch) ask(q *api.QueryOptions) (func(context.Context) error, *api.QueryMeta, error) {
	answer, meta, err := w.r.client.Health().ServiceMultipleTags(w.view.service, w.r.opts.Tags, w.r.opts.PassingOnly, q)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) error {
		if err := w.r.trusted(ctx, w.view.service, len(answer), meta); err != nil {
			return err
		}
		w.view.load(answer, meta.LastIndex)
		return nil
	}, meta, nil
}

// probe asks for no instance at all.
func (w *watch) probe(q *api.QueryOptions) (*api.QueryMeta, error) {
	q.Filter = `Service.ID == ""`
	_, meta, err := w.r.client.Health().ServiceMultipleTags(w.view.service, w.r.opts.Tags, w.r.opts.PassingOnly, q)
	return meta, err
}

func (w *watch) refresh(ctx context.Context) (err error) {
	w.view.overrides, w.broken, err = w.r.storedOverrides(ctx, w.view.service)
	return err
}

func (w *watch) emit() {
	listing := w.view.listing()
	listing.Skipped = slices.Concat(listing.Skipped, w.broken)
	w.to(listing)
}

func (w *watch) due() time.Duration { return w.view.due() }

// trusted tells an answer that is empty from one that was emptied: what a
// token may not read is left out of answers, without an error.
func (r *Registry) trusted(ctx context.Context, service string, found int, meta *api.QueryMeta) error {
	if meta.ResultsFilteredByACLs && found > 0 {
		r.sayFiltered.Do(func() {
			r.opts.Logger.Warn("consul: rights are missing, and what they would show is left out", "service", service,
				"fix", `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
		})
	}
	if found > 0 {
		return nil
	}
	if meta.ResultsFilteredByACLs {
		return fmt.Errorf("%w: all instances of %s are hidden from this token: it needs service:read and node:read", adsum.ErrDenied, service)
	}
	ctx, cancel := r.request(ctx)
	defer cancel()
	// Unlike those of the catalog, this endpoint says so when the right is
	// missing; what else it says, such as 404, is no concern.
	_, err := r.client.Raw().Query("/v1/agent/health/service/name/"+service, new(any), query(ctx))
	if answered(err, http.StatusForbidden) {
		return err
	}
	if _, status := errors.AsType[api.StatusError](err); status {
		return nil
	}
	return err
}
