package consul

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// itself is the service under which Consul lists its own servers.
const itself = "consul"

// WatchServices implements [adsum.ServiceWatcher]. Consul's own servers, and
// names that are no service's here, are left out. A service whose owners all
// crashed is named until the agents remove its records.
func (r *Registry) WatchServices(ctx context.Context, emit func([]string)) error {
	return r.follow(ctx, &census{r: r, to: emit}, "watch services")
}

// census follows the names of services.
type census struct {
	r     *Registry
	to    func([]string)
	names []string
}

func (c *census) ask(q *api.QueryOptions) (func(context.Context) error, *api.QueryMeta, error) {
	answer, meta, err := c.r.client.Catalog().Services(q)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) error {
		if err := c.r.trusted(ctx, itself, len(answer), meta); err != nil {
			return err
		}
		names := make([]string, 0, len(answer))
		for name := range answer {
			if name != itself && adsum.ValidateService(name) == nil {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		c.names = names
		return nil
	}, meta, nil
}

func (c *census) probe(q *api.QueryOptions) (*api.QueryMeta, error) {
	q.Filter = `ServiceName == ""`
	_, meta, err := c.r.client.Catalog().Services(q)
	return meta, err
}

func (c *census) refresh(context.Context) error { return nil }

func (c *census) emit() { c.to(slices.Clone(c.names)) }

func (c *census) due() time.Duration { return 0 }
