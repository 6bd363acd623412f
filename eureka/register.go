package eureka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/adsum-go/adsum"
)

// Register implements [adsum.Registry]. It reads what is there and what
// operators said, writes the record, and reads it back: of two registrations
// at once Eureka keeps the one with the later timestamp and says so to neither.
func (r *Registry) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	in = in.WithDefaults()
	if err := errors.Join(in.Validate(), r.Validate(in)); err != nil {
		return nil, err
	}
	l := newLease(r, in, opts)
	err := r.onlySpelling(ctx, in, opts.Claim)
	var word adsum.Override
	if err == nil {
		word, err = l.recall(ctx)
	}
	if err == nil {
		l.claim, err = l.publish(ctx, in, word)
	}
	if err == nil && !l.start() {
		err = adsum.ErrClosed
	}
	if err != nil {
		l.abandon()
		return nil, r.explain("register "+in.String(), err)
	}
	return l, nil
}

// Validate implements [adsum.Validator].
func (r *Registry) Validate(in adsum.Instance) error {
	if appOf(in.Service) == ledgerApp {
		return &adsum.InvalidError{Field: "service", Value: strconv.Quote(in.Service),
			Problem: "overrides are kept under that name in Eureka", Fix: "use another name"}
	}
	claim := adsum.Claim{Owner: strings.Repeat("A", 26), Incarnation: math.MaxInt64}
	_, err := encode(in.WithDefaults(), claim, adsum.Override{}, maxTTL, math.MaxInt64)
	return err
}

// onlySpelling refuses a first claim under a name that is in use in another
// case. A list that cannot be had, or not soon, is no reason to refuse;
// watchers leave such instances out as well.
func (r *Registry) onlySpelling(ctx context.Context, in adsum.Instance, claim adsum.Claim) error {
	if claim.Incarnation != 0 {
		return nil
	}
	if held, err := r.look(ctx, in.Service, in.ID); err != nil || held != nil {
		return err // nobody to ask, or it is a known one's
	}
	service := in.Service
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout/2) // before the server counts as failed
	defer cancel()
	a, err := r.call(ctx, request{method: http.MethodGet, path: appPath(service), list: true})
	if err != nil || a.missing() {
		return nil
	}
	var list struct {
		Application struct {
			Instance instances `json:"instance"`
		} `json:"application"`
	}
	if json.Unmarshal(a.body, &list) != nil {
		return nil
	}
	for _, raw := range list.Application.Instance {
		l, err := parse(raw)
		if err != nil {
			continue
		}
		if e, err := l.decode(service, false); err == nil && e.ours && e.service != service {
			return &adsum.InvalidError{Field: "service", Value: strconv.Quote(service),
				Problem: fmt.Sprintf("Eureka does not tell upper from lower case, and %s is registered", quote(e.service)),
				Fix:     "use that spelling, or another name"}
		}
	}
	return nil
}

// instancePath is where this library's record of an instance lies.
func instancePath(service, id string) string {
	return appPath(service) + "/" + url.PathEscape(instanceID(service, id))
}

// look reads one record of this library's, past the server's cache. nil says
// that there is none.
func (r *Registry) look(ctx context.Context, service, id string) (*entry, error) {
	return r.lookAt(ctx, service, instancePath(service, id))
}

func (r *Registry) lookAt(ctx context.Context, service, path string) (*entry, error) {
	raw, err := r.read(ctx, path)
	if err != nil || raw == nil {
		return nil, err
	}
	l, _ := parse(raw) // one that cannot be read is replaced like any other
	e, err := l.decode(service, false)
	if err != nil {
		e.ours, e.claim = false, adsum.Claim{Incarnation: uint64(max(e.dirty, 0))}
	}
	return e, nil
}

// read returns the JSON of one instance, past the server's cache; nil if there
// is none.
func (r *Registry) read(ctx context.Context, path string) (json.RawMessage, error) {
	a, err := r.call(ctx, request{method: http.MethodGet, path: path})
	if err != nil || a.missing() {
		return nil, err
	}
	var answer struct {
		Instance json.RawMessage `json:"instance"`
	}
	if err := json.Unmarshal(a.body, &answer); err != nil {
		return nil, notJSON(a.body, err)
	}
	return answer.Instance, nil
}

// arbitrate decides whether the claim may take the place of what is there,
// and gives it an incarnation if it has none: the time, or one more than what
// is there, as with timestamps.
func (r *Registry) arbitrate(held *entry, claim adsum.Claim) (adsum.Claim, error) {
	if claim.Incarnation == 0 {
		above := int64(0)
		if held != nil {
			above = max(held.dirty, int64(min(held.claim.Incarnation, math.MaxInt64-1)))
		}
		claim.Incarnation = uint64(r.clock.next(above))
		return claim, nil
	}
	if held != nil && held.claim.Owner != claim.Owner && younger(held.claim, claim) {
		return claim, superseded(held.claim, claim)
	}
	return claim, nil
}

// younger orders claims, for which Eureka has no sequence.
func younger(a, b adsum.Claim) bool { return a.YoungerThan(b, math.MaxUint64) }

func superseded(by, claim adsum.Claim) error {
	return fmt.Errorf("%w: it claimed this id at %d, we at %d", adsum.ErrSuperseded, by.Incarnation, claim.Incarnation)
}

// drain sets the server's status override at a record, which then tells all
// programs to leave it alone. One that is not there is fine.
func (r *Registry) drain(ctx context.Context, path string) error {
	_, err := r.call(ctx, request{method: http.MethodPut, path: path + "/status", query: url.Values{"value": {string(outOfService)}}})
	return err
}

// undoDrain removes it. While there is one, no status that is registered
// counts.
func (r *Registry) undoDrain(ctx context.Context, path string, next status) error {
	_, err := r.call(ctx, request{method: http.MethodDelete, path: path + "/status", query: url.Values{"value": {string(next)}}})
	return err
}

// post writes a record, given as JSON.
func (r *Registry) post(ctx context.Context, service string, body []byte) error {
	a, err := r.call(ctx, request{method: http.MethodPost, path: appPath(service), body: body})
	if err == nil && a.missing() {
		err = fmt.Errorf("%s: %w", a.from, errNoBase)
	}
	return err
}
