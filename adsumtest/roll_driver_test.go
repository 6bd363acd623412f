package adsumtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adsum-go/adsum"
)

const rollHeartbeat = time.Second

// rollRegistry is a driver for [rollServer]: about as small as one can be.
type rollRegistry struct {
	url    *adsum.URL
	client *http.Client
	good   atomic.Int64 // the host that answered last
	ctx    context.Context
	stop   context.CancelCauseFunc
}

// openRoll opens roll://TOKEN@HOST:PORT,HOST:PORT/BASE.
func openRoll(rawURL string) (adsum.Registry, error) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := u.Known(); err != nil {
		return nil, err
	}
	r := &rollRegistry{url: u, client: &http.Client{Transport: &http.Transport{}}}
	r.ctx, r.stop = context.WithCancelCause(context.Background())
	return r, nil
}

func (r *rollRegistry) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{
		Driver: "roll", Registry: r.url.String(), Register: true,
		Propagation: 50 * time.Millisecond, DetectTTLs: 1, DetectExtra: 100 * time.Millisecond,
		Heartbeat: rollHeartbeat, Sequenced: true,
	}
}

func (r *rollRegistry) Close() error {
	r.stop(fmt.Errorf("roll registry %w", adsum.ErrClosed))
	r.client.CloseIdleConnections()
	return nil
}

// call makes one request of the hosts in turn, beginning with the one that
// answered last, and decodes the answer.
func (r *rollRegistry) call(ctx context.Context, method, path string, query url.Values, body []byte, answer any) error {
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(context.Cause(r.ctx)) })()
	var failed error
	for n := range r.url.Hosts {
		host := (int(r.good.Load()) + n) % len(r.url.Hosts)
		target := "http://" + r.url.Hosts[host] + "/" + r.url.Path + path + "?" + query.Encode()
		request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
		if err != nil {
			return err
		}
		if r.url.User != nil {
			request.Header.Set("Authorization", r.url.User.Username())
		}
		response, err := r.client.Do(request)
		if err != nil {
			failed = err
			continue
		}
		r.good.Store(int64(host))
		return decodeRoll(response, answer)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return failed
}

func decodeRoll(response *http.Response, answer any) error {
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusForbidden:
		return fmt.Errorf("%w: %s", adsum.ErrDenied, bytes.TrimSpace(text))
	case response.StatusCode == http.StatusNotFound:
		return adsum.ErrLeaseLost
	case response.StatusCode == http.StatusConflict:
		return adsum.ErrSuperseded
	case response.StatusCode != http.StatusOK:
		return errors.New(response.Status)
	case answer != nil:
		return json.Unmarshal(text, answer)
	}
	return nil
}

func (r *rollRegistry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	var answer rollAnswer
	known := map[string]rollEntry{}
	query := url.Values{"wait": {"0"}}
	for {
		answer.Values = nil
		// Longer than the server waits, so that a silent one is found out.
		attempt, cancel := context.WithTimeout(ctx, 2*rollHeartbeat)
		err := r.call(attempt, http.MethodGet, "/"+service, query, nil, &answer)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		var l adsum.Listing
		l, known = readRoll(service, answer, known)
		emit(l)
		query = url.Values{"after": {strconv.FormatUint(answer.Sequence, 10)}, "wait": {strconv.FormatInt(rollHeartbeat.Milliseconds(), 10)}}
	}
}

// rollEntry is a record as last read, kept so that one which did not change
// is the same pointer.
type rollEntry struct {
	value    string
	instance *adsum.Instance
}

func readRoll(service string, answer rollAnswer, known map[string]rollEntry) (adsum.Listing, map[string]rollEntry) {
	l := adsum.Listing{Sequence: answer.Sequence}
	next := map[string]rollEntry{}
	for id, value := range answer.Values {
		entry := known[id]
		if entry.value != string(value) {
			in, err := decodeInstance(value)
			if err != nil {
				l.Skipped = append(l.Skipped, adsum.Skipped{Key: service + "/" + id, Err: err})
				continue
			}
			entry = rollEntry{string(value), in}
		}
		next[id] = entry
		l.Instances = append(l.Instances, entry.instance)
	}
	return l, next
}

func decodeInstance(value []byte) (*adsum.Instance, error) {
	var in adsum.Instance
	if err := json.Unmarshal(value, &in); err != nil {
		return nil, err
	}
	in = in.WithDefaults()
	return &in, in.Validate()
}

func (r *rollRegistry) Register(ctx context.Context, in adsum.Instance, opts adsum.RegisterOptions) (adsum.Lease, error) {
	l := &rollLease{registry: r, path: "/" + in.Service + "/" + url.PathEscape(in.ID), ttl: opts.TTL, claim: opts.Claim,
		lost: make(chan struct{}), done: make(chan struct{})}
	if err := l.put(ctx, in); err != nil {
		return nil, err
	}
	var keeping context.Context
	keeping, l.stop = context.WithCancel(r.ctx)
	go l.keep(keeping)
	return l, nil
}

// rollLease keeps one record alive.
type rollLease struct {
	registry *rollRegistry
	path     string
	ttl      time.Duration
	stop     context.CancelFunc
	done     chan struct{}

	mu      sync.Mutex
	claim   adsum.Claim
	written uint64
	lost    chan struct{}
	err     error
	closed  bool
}

func (l *rollLease) put(ctx context.Context, in adsum.Instance) error {
	value, err := json.Marshal(in)
	if err != nil {
		return err
	}
	claim := l.Claim()
	query := url.Values{"owner": {claim.Owner}, "incarnation": {strconv.FormatUint(claim.Incarnation, 10)},
		"ttl": {strconv.FormatInt(l.ttl.Milliseconds(), 10)}}
	var receipt rollReceipt
	if err := l.registry.call(ctx, http.MethodPut, l.path, query, value, &receipt); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claim, l.written = receipt.Claim, receipt.Written
	return nil
}

// mine says which record is meant: the one this lease wrote last.
func (l *rollLease) mine() url.Values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return url.Values{"owner": {l.claim.Owner}, "written": {strconv.FormatUint(l.written, 10)}}
}

// keep renews the record. While the server cannot be reached it goes on
// trying: the record may still be there.
func (l *rollLease) keep(ctx context.Context) {
	defer close(l.done)
	ticker := time.NewTicker(l.ttl / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		attempt, cancel := context.WithTimeout(ctx, l.ttl/3)
		err := l.registry.call(attempt, http.MethodPost, l.path, l.mine(), nil, nil)
		cancel()
		if l.lose(err) {
			return
		}
	}
}

// lose notes the end of the lease, if err is one.
func (l *rollLease) lose(err error) bool {
	if !errors.Is(err, adsum.ErrLeaseLost) && !errors.Is(err, adsum.ErrSuperseded) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && !l.closed {
		l.err = err
		close(l.lost)
		l.stop()
	}
	return true
}

func (l *rollLease) Claim() adsum.Claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.claim
}

func (l *rollLease) Lost() <-chan struct{} { return l.lost }

func (l *rollLease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *rollLease) Update(ctx context.Context, in adsum.Instance) error {
	err := l.put(ctx, in)
	l.lose(err)
	return err
}

func (l *rollLease) Close(ctx context.Context) error {
	l.mu.Lock()
	again := l.closed || l.err != nil
	l.closed = true
	l.mu.Unlock()
	l.stop()
	<-l.done
	if again {
		return nil
	}
	err := l.registry.call(ctx, http.MethodDelete, l.path, l.mine(), nil, nil)
	if errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded) {
		return nil // it is not ours to withdraw any more
	}
	return err
}
