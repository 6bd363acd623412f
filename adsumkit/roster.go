package adsumkit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-kit/kit/endpoint"
	kitlb "github.com/go-kit/kit/sd/lb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// roster is what an Endpointer offers at one moment: immutable.
type roster struct {
	snapshot  *adsum.Snapshot            // without those instances whose factory fails
	members   []*member                  // one for each instance; nil for one that never was callable
	endpoints func() []endpoint.Endpoint // of those that calls may go to
	lacks     int                        // instances that may be called and have no endpoint
	lacking   error                      // why the first of them has none
}

// lack notes that an instance has no endpoint, while the roster is made.
func (r *roster) lack(err error) {
	if r.lacks++; r.lacks == 1 {
		r.lacking = err
	}
}

func (r *roster) callable() []endpoint.Endpoint {
	endpoints := make([]endpoint.Endpoint, 0, len(r.members))
	for i, in := range r.snapshot.Instances {
		if in.Status.Callable() {
			endpoints = append(endpoints, r.members[i].kept)
		}
	}
	return endpoints
}

// member returns the endpoint of an instance, nil if there is none.
func (r *roster) member(id, addr string) *member {
	i, ok := slices.BinarySearchFunc(r.snapshot.Instances, id, func(in *adsum.Instance, id string) int { return strings.Compare(in.ID, id) })
	if !ok || r.members[i] == nil || r.members[i].addr != addr {
		return nil
	}
	return r.members[i]
}

// none is the error of a call that finds nobody. It is go-kit's
// lb.ErrNoEndpoints as well as the reason, and names factories that failed.
func (r *roster) none(reason error) error {
	switch {
	case r.lacks > 1:
		reason = fmt.Errorf("%w; %d factories fail, such as %w", reason, r.lacks, r.lacking)
	case r.lacks == 1:
		reason = fmt.Errorf("%w; %w", reason, r.lacking)
	}
	return &noneError{reason}
}

// gone is the error of a call whose instance went while it was being picked.
func (r *roster) gone() error {
	return r.none(fmt.Errorf("%w: the instance of %s has just gone, and there is no other", lb.ErrNoEndpoint, r.snapshot.Service))
}

type noneError struct{ reason error }

func (e *noneError) Error() string        { return e.reason.Error() }
func (e *noneError) Unwrap() error        { return e.reason }
func (e *noneError) Is(target error) bool { return target == kitlb.ErrNoEndpoints }
