package eureka

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
)

// Watch implements [adsum.Registry]. It asks for the service's list every
// [Options.Poll].
func (r *Registry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	if err := adsum.ValidateService(service); err != nil {
		return err
	}
	v := &view{service: service, preferIP: r.opts.PreferIP}
	seen := r.memory.open(service)
	err := r.poll(ctx, "watch service "+service, func() error {
		a, err := r.call(ctx, request{method: http.MethodGet, path: appPath(service), list: true})
		if err == nil && a.missing() && !v.isEmpty() {
			err = r.checkBase(ctx, a.from)
		}
		if err != nil {
			return err
		}
		l, err := v.read(a)
		if err == nil && ctx.Err() == nil {
			l.Sequence = r.memory.listed(seen, a.from, v.marks)
			emit(l)
		}
		return err
	})
	r.memory.close(service, err != nil)
	return err
}

// poll looks now and after every pause, until ctx ends or looking fails.
func (r *Registry) poll(ctx context.Context, tried string, look func() error) error {
	for {
		err := look()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return r.explain(tried, err)
		}
		timer := time.NewTimer(r.pause())
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-r.ctx.Done():
		}
		timer.Stop()
		switch {
		case ctx.Err() != nil:
			return nil
		case r.ctx.Err() != nil:
			return r.explain(tried, adsum.ErrClosed)
		}
	}
}

// errNoBase tells of a URL that is not a Eureka's, or not its base path.
var errNoBase = errors.New("the server knows no applications (404): is this its base path? It is /eureka for Spring, /eureka/v2 for Netflix")

// checkBase tells an application that has no instances, which Eureka answers
// with 404, from a wrong path, or a proxy that has lost its Eureka.
func (r *Registry) checkBase(ctx context.Context, s *server) error {
	a, err := r.attempt(ctx, s, request{method: http.MethodHead, path: "/apps"})
	if err == nil && a.missing() {
		err = errNoBase
	}
	if err != nil {
		r.servers.note(s, true)
		err = fmt.Errorf("%s: %w", s, err)
	}
	return err
}

// pause keeps the clients of a server out of step.
func (r *Registry) pause() time.Duration {
	return time.Duration(float64(r.opts.Poll) * (0.9 + 0.2*rand.Float64()))
}

func (r *Registry) longestPause() time.Duration { return r.opts.Poll + r.opts.Poll/10 }

func appPath(service string) string { return "/apps/" + url.PathEscape(appOf(service)) }

// view is what one watch has seen last.
type view struct {
	service  string
	preferIP bool
	body     []byte // of the last answer
	listing  adsum.Listing
	known    map[text]*entry // by Eureka's id
	marks    map[string]mark // by ours
}

// isEmpty tells that the last answer had nothing to list.
func (v *view) isEmpty() bool { return v.known != nil && len(v.known) == 0 }

// read makes a listing of an answer, with the pointers of the last one where
// an instance says the same.
func (v *view) read(a answer) (adsum.Listing, error) {
	if a.missing() {
		a.body = nil
	}
	if v.known == nil || !bytes.Equal(a.body, v.body) {
		entries, skipped, err := v.decode(a.body)
		if err != nil {
			return adsum.Listing{}, err
		}
		v.body = a.body
		v.load(entries, skipped)
	}
	l := v.listing
	l.Instances = append([]*adsum.Instance(nil), l.Instances...) // the receiver's
	return l, nil
}

func (v *view) load(entries []*entry, skipped []adsum.Skipped) {
	known := make(map[text]*entry, len(entries))
	v.marks = make(map[string]mark, len(entries))
	v.listing = adsum.Listing{Skipped: skipped}
	for _, e := range entries {
		known[e.from.InstanceID] = e
		v.marks[e.in.ID] = mark{e.dirty, e.upSince}
		v.listing.Instances = append(v.listing.Instances, e.in)
	}
	v.known = known
}

// instances reads one instance where others have an array of them.
type instances []json.RawMessage

func (i *instances) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '{' {
		*i = instances{bytes.Clone(raw)}
		return nil
	}
	return json.Unmarshal(raw, (*[]json.RawMessage)(i))
}

// decode reads a list; nil is an empty one. What is as it was before is the
// same entry, and what says the same has the same instance.
func (v *view) decode(body []byte) ([]*entry, []adsum.Skipped, error) {
	if body == nil {
		return nil, nil, nil
	}
	var list struct {
		Application *struct {
			Instance instances `json:"instance"`
		} `json:"application"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, nil, notJSON(body, err)
	}
	if list.Application == nil {
		return nil, nil, errors.New("the answer has no application: is this the base path of a Eureka server?")
	}
	var entries []*entry
	var skipped []adsum.Skipped
	for n, raw := range list.Application.Instance {
		e, err := v.decodeOne(raw)
		if err != nil {
			skipped = append(skipped, adsum.Skipped{Key: keyOf(v.service, n, raw), Err: err})
			continue
		}
		entries = append(entries, e)
	}
	return entries, skipped, nil
}

func (v *view) decodeOne(raw []byte) (*entry, error) {
	l, err := parse(raw)
	if err != nil {
		return nil, err
	}
	before := v.known[l.InstanceID]
	if before != nil && before.from == l {
		return before, nil
	}
	e, err := l.decode(v.service, v.preferIP)
	switch {
	case err != nil:
		return nil, err
	case e.ours && e.service != v.service:
		return nil, fmt.Errorf("it belongs to %s: Eureka does not tell upper from lower case, so rename one of the two", quote(e.service))
	case before != nil && before.in.Equal(e.in):
		e.in = before.in
	}
	return e, nil
}

func notJSON(body []byte, err error) error {
	if isPage(body) {
		return errors.New("the answer is XML or HTML: is this the base path of a Eureka server?")
	}
	return errors.New("the answer is no JSON that a Eureka server writes: " + quote(err.Error()))
}

// isPage tells that XML or HTML came where JSON was asked for.
func isPage(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) }

// keyOf names an instance that cannot be read.
func keyOf(service string, n int, raw []byte) string {
	var l struct {
		InstanceID text `json:"instanceId"`
	}
	if json.Unmarshal(raw, &l) == nil && l.InstanceID != "" {
		return "apps/" + appOf(service) + "/" + strings.Trim(quote(string(l.InstanceID)), `"`)
	}
	return fmt.Sprintf("apps/%s, instance %d", appOf(service), n+1)
}
