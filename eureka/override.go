package eureka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// maxWord bounds an override as it stands in a request's URL. Servers take
// some 8 KiB of that.
const maxWord = 4 << 10

// Override implements [adsum.Overrider]. Draining is Eureka's own status
// override, which every program obeys. It takes effect at once; an owner of
// this library restores it, and lets programs of Spring Cloud see the weight,
// when it next renews, within a third of its TTL. A foreign owner does not: its
// override lasts as Eureka lets it, until the instance leaves.
func (r *Registry) Override(ctx context.Context, service, id string, o adsum.Override) error {
	value, err := wordFor(o)
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id), err); err != nil {
		return err
	}
	_, err = r.amend(ctx, service, func(b *ledger) adsum.Override { b.say(id, o); return o })
	if err == nil {
		err = r.impose(ctx, service, id, o, value)
	}
	return r.explain(fmt.Sprintf("override %s/%s", service, id), err)
}

// wordFor is an override as it stands in a record's metadata.
func wordFor(o adsum.Override) (string, error) {
	if o == (adsum.Override{}) {
		return "", nil
	}
	value, err := codec.EncodeOverride(o)
	if n := len(url.QueryEscape(string(value))); err == nil && n > maxWord {
		err = &adsum.InvalidError{Field: "override reason", Value: quote(o.Reason),
			Problem: fmt.Sprintf("Eureka takes overrides in a URL, where it has %d bytes; at most %d are taken", n, maxWord), Fix: "shorten it"}
	}
	return string(value), err
}

// impose writes an override into the record of the instance, if it is there.
func (r *Registry) impose(ctx context.Context, service, id string, o adsum.Override, value string) error {
	held, path, err := r.find(ctx, service, id)
	if err != nil || held == nil {
		return err
	}
	if value != "" || held.word != nil {
		_, err := r.call(ctx, request{method: http.MethodPut, path: path + "/metadata", query: url.Values{metaWord: {value}}})
		if err != nil {
			return err
		}
	}
	switch {
	case o.Status == adsum.Draining && held.override != outOfService:
		return r.drain(ctx, path)
	case o.Status == "" && held.drainedByOperator():
		return r.undoDrain(ctx, path, held.withoutOverride())
	}
	return nil
}

// withoutOverride is the status that an instance has without its override. Of
// a foreign one only its owner knows.
func (e *entry) withoutOverride() status {
	if e.ours {
		return statusOf(e.said.Status)
	}
	return up
}

// find reads the record of an instance, ours or a foreign program's, and says
// where it lies. nil says that there is none.
func (r *Registry) find(ctx context.Context, service, id string) (*entry, string, error) {
	for _, known := range recordIDs(service, id) {
		path := appPath(service) + "/" + url.PathEscape(known)
		held, err := r.lookAt(ctx, service, path)
		if err != nil || held != nil {
			return held, path, err
		}
	}
	return nil, "", nil
}

// Overrides implements [adsum.Overrider]. Instances that Eureka itself was
// told to drain count, by whatever program.
func (r *Registry) Overrides(ctx context.Context, service string) (map[string]adsum.Override, error) {
	if err := adsum.ValidateService(service); err != nil {
		return nil, err
	}
	all, err := r.inForce(ctx, service)
	return all, r.explain("list the overrides of "+service, err)
}

func (r *Registry) inForce(ctx context.Context, service string) (map[string]adsum.Override, error) {
	b, err := r.ledger(ctx, service)
	if err != nil {
		return nil, err
	}
	a, err := r.call(ctx, request{method: http.MethodGet, path: appPath(service), list: true})
	if err == nil && a.missing() && b.dirty == 0 { // there is no ledger either
		err = r.checkBase(ctx, a.from)
	}
	if err != nil {
		return nil, err
	}
	v := &view{service: service}
	if _, err := v.read(a); err != nil {
		return nil, err
	}
	all := b.inForce()
	for _, e := range v.known {
		if _, known := all[e.in.ID]; !known && e.word == nil && !e.drainedByOperator() {
			continue
		}
		// The list is from the server's cache, and may be of before.
		held, err := r.lookAt(ctx, service, appPath(service)+"/"+url.PathEscape(string(e.from.InstanceID)))
		if err != nil {
			return nil, err
		}
		if held != nil {
			all[e.in.ID] = held.inForce(all[e.in.ID])
		}
	}
	for id, o := range all {
		if o == (adsum.Override{}) {
			delete(all, id)
		}
	}
	return all, nil
}

// inForce is the override that an instance is under, given what the ledger
// says. A foreign owner knows of no ledger: what its record says is all that
// there is.
func (e *entry) inForce(said adsum.Override) adsum.Override {
	if !e.ours {
		said = adsum.Override{}
		if e.word != nil {
			said = *e.word
		}
		if !e.drainedByOperator() && said.Status == adsum.Draining {
			said = adsum.Override{Weight: said.Weight} // undone in Eureka itself
		}
	}
	if e.drainedByOperator() {
		said.Status = adsum.Draining
	}
	return said
}
