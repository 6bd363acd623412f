package eureka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/adsum-go/adsum"
)

// Remove implements [adsum.Remover]. An override stays.
func (r *Registry) Remove(ctx context.Context, service, id string) error {
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id)); err != nil {
		return err
	}
	return r.explain(fmt.Sprintf("remove %s/%s", service, id), r.removeAny(ctx, service, id))
}

// removeAny removes the first record that may be the instance's.
func (r *Registry) removeAny(ctx context.Context, service, id string) error {
	var last answer
	for _, known := range recordIDs(service, id) {
		a, err := r.call(ctx, request{method: http.MethodDelete, path: appPath(service) + "/" + url.PathEscape(known)})
		switch {
		case err != nil:
			return err
		case isPage(a.body) && !a.missing():
			return notJSON(a.body, nil) // Eureka answers with nothing
		case !a.missing():
			return nil
		}
		last = a
	}
	if err := r.checkBase(ctx, last.from); err != nil {
		return err
	}
	return adsum.ErrNotFound
}

// recordIDs are what an instance of that id may be called in Eureka: by this
// library, or by another program.
func recordIDs(service, id string) []string {
	known := []string{instanceID(service, id), id}
	if foreign := foreignID(id); foreign != id {
		known = append(known, foreign)
	}
	return known
}

// foreignID is what another program may have called an instance of that id.
func foreignID(id string) string {
	plain, err := url.PathUnescape(id)
	if err != nil {
		return id
	}
	return plain
}
