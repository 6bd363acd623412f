//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// artifacts lists what can be prepared.
func artifacts() []*artifact {
	return []*artifact{etcdArtifact, consulArtifact, zookeeperArtifact, eurekaArtifact, netflixArtifact,
		curatorArtifact, eurekaClientArtifact, pythonArtifact}
}

// Products are the names that [Prepare] takes.
func Products() []string {
	var names []string
	for _, a := range artifacts() {
		names = append(names, a.name)
	}
	return names
}

// Prepare builds or downloads the servers of the named products, of all when
// none is named, unless the cache has them. It prints what it does to w while
// it does it, and what each step took. Products are prepared side by side, and
// several processes may do so at the same time: they wait for each other.
func Prepare(ctx context.Context, w io.Writer, products ...string) error {
	known := Products()
	for _, product := range products {
		if !slices.Contains(known, product) {
			return fmt.Errorf("unknown product %q; known are %s", product, strings.Join(known, ", "))
		}
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	results := make([]error, len(known))
	for i, a := range artifacts() {
		if len(products) > 0 && !slices.Contains(products, a.name) {
			continue
		}
		group.Go(func() {
			if err := a.prepare(ctx, &progress{product: a.name, mu: &mu, w: w}); err != nil {
				results[i] = fmt.Errorf("preparing %s: %w", a.title, err)
			}
		})
	}
	group.Wait()
	return errors.Join(results...)
}
