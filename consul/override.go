package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// Overrides lie in the key-value store at adsum/v1/SERVICE/ID/override, where
// they outlive the record. Draining is maintenance mode as well, so that other
// programs obey; its note then begins with a mark, by which an owner knows
// that it may end it when the override is gone.
const (
	overridePrefix = "adsum/v1/"
	overrideSuffix = "/override"
	imposedMark    = "adsum override: "
)

func overridesOf(service string) string     { return overridePrefix + service + "/" }
func overrideKey(service, id string) string { return overridesOf(service) + id + overrideSuffix }

// Override implements [adsum.Overrider]. It takes effect at once where the
// record is in the agent that the request goes to, and otherwise when its
// owner, if that is a program of this library, looks, within its TTL; watches
// see it within a heartbeat.
func (r *Registry) Override(ctx context.Context, service, id string, o adsum.Override) error {
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id), o.Validate()); err != nil {
		return err
	}
	tried := fmt.Sprintf("override %s/%s", service, id)
	ctx, cancel := r.request(ctx)
	defer cancel()
	if err := r.store(ctx, overrideKey(service, id), o); err != nil {
		return r.explain(tried, err)
	}
	here, err := r.here(ctx, service, id)
	if err != nil || here == "" {
		return r.explain(tried, err)
	}
	return r.explain(tried, r.impose(ctx, here, o, true))
}

func (r *Registry) store(ctx context.Context, key string, o adsum.Override) error {
	write := (&api.WriteOptions{}).WithContext(ctx)
	if o == (adsum.Override{}) {
		_, err := r.client.KV().Delete(key, write)
		return err
	}
	value, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = r.client.KV().Put(&api.KVPair{Key: key, Value: value}, write)
	return err
}

// here returns the id under which the agent holds an instance, "" if it holds
// none.
func (r *Registry) here(ctx context.Context, service, id string) (string, error) {
	services, err := r.client.Agent().ServicesWithFilterOpts("Service == "+strconv.Quote(service), query(ctx))
	if err != nil {
		return "", err
	}
	if _, ours := services[serviceID(service, id)]; ours {
		return serviceID(service, id), nil
	}
	plain, _, _ := strings.Cut(id, "@") // a foreign id may say the node as well
	for theirs := range services {
		if foreign := foreignID(theirs); foreign == id || foreign == plain {
			return theirs, nil
		}
	}
	return "", nil
}

// maintenanceOf finds the check that keeps a service in maintenance, nil if
// it is not.
func maintenanceOf(checks map[string]*api.AgentCheck, id string) *api.AgentCheck {
	return checks[serviceMaintenance+id]
}

// impose brings the agent's maintenance mode in line with an override. Unless
// forced it ends only what an override began.
func (r *Registry) impose(ctx context.Context, id string, o adsum.Override, force bool) error {
	ctx, cancel := r.request(ctx)
	defer cancel()
	checks, err := r.checks(ctx, id)
	if err != nil {
		return err
	}
	maintenance := maintenanceOf(checks, id)
	switch drain := o.Status == adsum.Draining; {
	case drain && maintenance == nil:
		return r.client.Agent().EnableServiceMaintenanceOpts(id, imposedMark+o.Reason, query(ctx))
	case !drain && maintenance != nil && (force || strings.HasPrefix(maintenance.Notes, imposedMark)):
		return r.client.Agent().DisableServiceMaintenanceOpts(id, query(ctx))
	}
	return nil
}

// obey brings the record in line with the override in the store. The caller
// has the turn.
func (l *lease) obey() error {
	o, err := l.r.overrideOf(l.ctx, l.in.Service, l.in.ID)
	if err != nil {
		return nil // the word of before stands until the store answers
	}
	before := l.override
	l.override = o
	if o.Weight != before.Weight {
		if err := l.put(l.ctx); err != nil {
			l.override = before
			return err
		}
	}
	return l.r.impose(l.ctx, l.id, o, false)
}

// overrideOf reads the override of one instance. Without the right to, there
// is none.
func (r *Registry) overrideOf(ctx context.Context, service, id string) (adsum.Override, error) {
	ctx, cancel := r.request(ctx)
	defer cancel()
	pair, _, err := r.client.KV().Get(overrideKey(service, id), query(ctx))
	if answered(err, http.StatusForbidden) {
		r.missingRight(err)
		return adsum.Override{}, nil
	}
	if err != nil || pair == nil {
		return adsum.Override{}, err
	}
	o, _ := parseOverride(pair.Value) // a broken one is shown by every watch
	return o, nil
}

// parseOverride reads an override; one that is broken is none.
func parseOverride(value []byte) (adsum.Override, error) {
	var o adsum.Override
	if err := json.Unmarshal(value, &o); err != nil {
		return adsum.Override{}, fmt.Errorf("no override: %w", err)
	}
	if err := o.Validate(); err != nil {
		return adsum.Override{}, err
	}
	o.Reason = brief(o.Reason)
	return o, nil
}

// storedOverrides reads the overrides of a service, and which of them are
// broken.
func (r *Registry) storedOverrides(ctx context.Context, service string) (map[string]adsum.Override, []adsum.Skipped, error) {
	ctx, cancel := r.request(ctx)
	defer cancel()
	pairs, _, err := r.client.KV().List(overridesOf(service), r.reading(query(ctx)))
	if answered(err, http.StatusForbidden) {
		r.missingRight(err)
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	overrides := make(map[string]adsum.Override, len(pairs))
	var broken []adsum.Skipped
	for _, pair := range pairs {
		id, ok := strings.CutSuffix(strings.TrimPrefix(pair.Key, overridesOf(service)), overrideSuffix)
		if !ok {
			continue
		}
		o, err := parseOverride(pair.Value)
		if err != nil {
			quoted := strconv.Quote(pair.Key)
			broken = append(broken, adsum.Skipped{Key: quoted[1 : len(quoted)-1], Err: err})
			continue
		}
		overrides[id] = o
	}
	return overrides, broken, nil
}

// missingRight says once that overrides are out of reach.
func (r *Registry) missingRight(err error) {
	r.sayOverrides.Do(func() {
		r.opts.Logger.Warn("consul: no right to the key-value store: only maintenance mode is seen of an operator's overrides",
			"prefix", overridePrefix, "fix", `key_prefix "adsum/v1/" { policy = "read" }`, "err", err)
	})
}

// Overrides implements [adsum.Overrider]. Maintenance mode counts, whoever
// switched it on.
func (r *Registry) Overrides(ctx context.Context, service string) (map[string]adsum.Override, error) {
	if err := adsum.ValidateService(service); err != nil {
		return nil, err
	}
	tried := "list the overrides of " + service
	v := newView(service)
	ctx, cancel := r.request(ctx)
	defer cancel()
	answer, meta, err := r.client.Health().Service(service, "", false, r.reading(query(ctx)))
	if err != nil {
		return nil, r.explain(tried, err)
	}
	v.load(answer, meta.LastIndex)
	if v.overrides, _, err = r.storedOverrides(ctx, service); err != nil {
		return nil, r.explain(tried, err)
	}
	all := map[string]adsum.Override{}
	for id, o := range v.overrides {
		all[id] = o
	}
	for id, e := range v.holders() {
		if o := v.override(e); o != (adsum.Override{}) {
			all[id] = o
		}
	}
	return all, nil
}

// Remove implements [adsum.Remover]. A record in the agent that the request
// goes to is removed there, and one of an agent that does not live from the
// catalog. Of a living agent elsewhere it would come back, so that is
// [adsum.ErrUnsupported] and says where to turn. An override stays.
func (r *Registry) Remove(ctx context.Context, service, id string) error {
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id)); err != nil {
		return err
	}
	tried := fmt.Sprintf("remove %s/%s", service, id)
	ctx, cancel := r.request(ctx)
	defer cancel()
	here, err := r.here(ctx, service, id)
	if err != nil {
		return r.explain(tried, err)
	}
	if here != "" {
		return r.explain(tried, r.client.Agent().ServiceDeregisterOpts(here, query(ctx)))
	}
	answer, meta, err := r.client.Health().Service(service, "", false, query(ctx))
	if err != nil {
		return r.explain(tried, err)
	}
	v := newView(service)
	v.load(answer, meta.LastIndex)
	return r.explain(tried, r.removeElsewhere(ctx, v, id))
}

func (r *Registry) removeElsewhere(ctx context.Context, v *view, id string) error {
	found := false
	for _, e := range v.entries {
		if e.in.ID != id {
			continue
		}
		if !e.away {
			return fmt.Errorf("%w: the agent of node %s holds it: give that agent's address in the registry's URL", adsum.ErrUnsupported, strconv.Quote(e.node))
		}
		found = true
		gone := &api.CatalogDeregistration{Node: e.node, ServiceID: e.id}
		if _, err := r.client.Catalog().Deregister(gone, (&api.WriteOptions{}).WithContext(ctx)); err != nil {
			return err
		}
	}
	if !found {
		return adsum.ErrNotFound
	}
	return nil
}
