package eureka

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/adsum-go/adsum"
)

// Remove implements [adsum.Remover].
func (r *Registry) Remove(ctx context.Context, service, id string) error {
	if err := errors.Join(adsum.ValidateService(service), adsum.ValidateID(id)); err != nil {
		return err
	}
	tried := fmt.Sprintf("remove %s/%s", service, id)
	for _, known := range []string{instanceID(service, id), id, foreignID(id)} {
		a, err := r.call(ctx, request{method: http.MethodDelete, path: appPath(service) + "/" + url.PathEscape(known)})
		if err != nil || !a.missing() {
			return r.explain(tried, err)
		}
	}
	return r.explain(tried, adsum.ErrNotFound)
}

// foreignID is what another program may have called an instance of that id.
func foreignID(id string) string {
	plain, err := url.PathUnescape(id)
	if err != nil {
		return id
	}
	return plain
}
