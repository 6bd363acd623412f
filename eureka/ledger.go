package eureka

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Eureka forgets an override when its instance leaves, and holds no weight. So
// what operators said of the instances of a service lies in a ledger: a record
// that looks like an instance which nobody may call, in an application of its
// own. As it is one, servers replicate it, and forget it when its lease has
// run out or when they restart.
const (
	ledgerApp  = "ADSUM-OVERRIDES"
	ledgerHost = "adsum-overrides.invalid"
	metaLedger = "adsum.overrides" // the entries, as JSON
)

// A ledger lasts as long as a record can, 24 days, and twice as long from when
// an owner that obeys it last renewed it. When nothing is in force any more it
// lasts until owners that were cut off should have seen that.
const (
	ledgerLease = maxTTL
	undoneFor   = time.Hour
)

// ledger is what operators said of the instances of one service.
type ledger struct {
	Words  map[string]json.RawMessage `json:"words,omitempty"`  // overrides in force, by id
	Undone map[string]int64           `json:"undone,omitempty"` // those that were undone, and when: milliseconds since 1970

	dirty int64 // lastDirtyTimestamp of the record; 0 if there is none
}

func ledgerID(service string) string { return "adsum-overrides:" + service }
func ledgerPath(service string) string {
	return "/apps/" + ledgerApp + "/" + url.PathEscape(ledgerID(service))
}

// of returns the word on one instance. told is false where the ledger does not
// know whether there is one.
func (b *ledger) of(id string) (word adsum.Override, told bool) {
	if raw, ok := b.Words[id]; ok {
		word, err := codec.DecodeOverride(raw)
		return word, err == nil
	}
	_, told = b.Undone[id]
	return adsum.Override{}, told
}

// say notes a word; the zero one undoes.
func (b *ledger) say(id string, word adsum.Override) {
	delete(b.Words, id)
	delete(b.Undone, id)
	if word == (adsum.Override{}) {
		b.Undone[id] = 0 // stamped when it is written
		return
	}
	b.Words[id], _ = codec.EncodeOverride(word) // it was validated
}

// inForce are all words that are in force and can be read.
func (b *ledger) inForce() map[string]adsum.Override {
	all := make(map[string]adsum.Override, len(b.Words))
	for id := range b.Words {
		if word, told := b.of(id); told && adsum.ValidateID(id) == nil {
			all[id] = word
		}
	}
	return all
}

// ledger reads the ledger of a service, past the server's cache. One that is
// not there is empty, as is one that cannot be read.
func (r *Registry) ledger(ctx context.Context, service string) (*ledger, error) {
	raw, err := r.read(ctx, ledgerPath(service))
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return newLedger(), nil
	}
	return decodeLedger(raw), nil
}

func newLedger() *ledger {
	return &ledger{Words: map[string]json.RawMessage{}, Undone: map[string]int64{}}
}

func decodeLedger(raw []byte) *ledger {
	b := newLedger()
	l, err := parse(raw)
	if err != nil {
		return b
	}
	var entries ledger
	if metadata, err := texts(l.Metadata); err == nil && json.Unmarshal([]byte(metadata[metaLedger]), &entries) == nil {
		maps.Copy(b.Words, entries.Words)
		maps.Copy(b.Undone, entries.Undone)
	}
	b.dirty = l.LastDirty.number()
	return b
}

// amend changes the ledger of a service, until it is there, and returns what
// change returned last. Others may write it at the same time.
func (r *Registry) amend(ctx context.Context, service string, change func(*ledger) adsum.Override) (adsum.Override, error) {
	for range attempts {
		b, err := r.ledger(ctx, service)
		if err != nil {
			return adsum.Override{}, err
		}
		before := b.dirty
		word := change(b)
		b.dirty = r.clock.next(before)
		body, err := b.encode(service, r.clock.now())
		if err != nil {
			return word, err
		}
		if err := r.post(ctx, ledgerApp, body); err != nil {
			return word, err
		}
		after, err := r.ledger(ctx, service)
		if err != nil {
			return word, err
		}
		if after.dirty == b.dirty {
			return word, nil
		}
	}
	return adsum.Override{}, errors.New("the list of overrides does not stay as it is written: others write it at the same time; try again")
}

// encode writes a ledger as an instance that nobody calls.
func (b *ledger) encode(service string, now time.Time) ([]byte, error) {
	for id, at := range b.Undone {
		switch {
		case at == 0:
			b.Undone[id] = now.UnixMilli()
		case now.Sub(time.UnixMilli(at)) > undoneFor:
			delete(b.Undone, id)
		}
	}
	entries, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	lasts := ledgerLease
	if len(b.Words) == 0 {
		lasts = undoneFor
	}
	return json.Marshal(map[string]posted{"instance": {
		InstanceID: ledgerID(service), App: ledgerApp, VIPAddress: strings.ToLower(ledgerApp), SecureVIPAddress: strings.ToLower(ledgerApp),
		HostName: ledgerHost, IPAddr: "0.0.0.0",
		Status: outOfService, OverriddenStatus: unknown,
		Port: port{1, "false"}, SecurePort: port{443, "false"}, CountryID: 1,
		DataCenter: dataCenter{"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "MyOwn"},
		Lease:      leaseInfo{seconds(lasts / 3), seconds(lasts)},
		Metadata:   map[string]string{metaLedger: string(entries)}, LastUpdated: b.dirty, LastDirty: b.dirty,
	}})
}
