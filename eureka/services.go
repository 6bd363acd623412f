package eureka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/adsum-go/adsum"
)

// WatchServices implements [adsum.ServiceWatcher]. It asks for everything
// that the server holds every [Options.Poll], as Eureka has no list of names
// alone.
func (r *Registry) WatchServices(ctx context.Context, emit func([]string)) error {
	return r.poll(ctx, "watch services", func() error {
		a, err := r.call(ctx, request{method: http.MethodGet, path: "/apps", list: true})
		if err == nil && a.missing() {
			err = fmt.Errorf("%s: %w", a.from, errNoBase)
		}
		if err != nil {
			return err
		}
		names, err := decodeNames(a.body)
		if err == nil && ctx.Err() == nil {
			emit(names)
		}
		return err
	})
}

// decodeNames lists the services of a whole registry. A service is called as
// its instances spell it in vipAddress, if that is the application's name, or
// else, as Spring does, in lower case.
func decodeNames(body []byte) ([]string, error) {
	var all struct {
		Applications *struct {
			Application []struct {
				Name     text      `json:"name"`
				Instance instances `json:"instance"`
			} `json:"application"`
		} `json:"applications"`
	}
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, notJSON(body, err)
	}
	if all.Applications == nil {
		return nil, errors.New("the answer has no applications: is this the base path of a Eureka server?")
	}
	names := map[string]bool{}
	for _, app := range all.Applications.Application {
		if string(app.Name) == ledgerApp {
			continue
		}
		if name := spelling(string(app.Name), app.Instance); len(app.Instance) > 0 && adsum.ValidateService(name) == nil {
			names[name] = true
		}
	}
	return sorted(names), nil
}

func spelling(app string, all instances) string {
	for _, raw := range all {
		var l struct {
			VIPAddress text `json:"vipAddress"`
		}
		if json.Unmarshal(raw, &l) == nil && strings.EqualFold(string(l.VIPAddress), app) {
			return string(l.VIPAddress)
		}
	}
	return strings.ToLower(app)
}
