package adsumotel

import (
	"maps"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

// registrations are those of one service in one registry, and of one instance if
// these are told apart.
type registrations struct {
	wanted, registered, superseded int
	since                          time.Time
	lost                           int
	accepted, updates, failures    uint64
}

func (r *registrations) add(s adsum.RegistrationStats) {
	if !s.Closed {
		r.wanted++
	}
	r.registered += int(truth(s.Registered))
	r.superseded += int(truth(s.Superseded))
	if s.Since.After(r.since) {
		r.since = s.Since
	}
	r.lost += s.Lost
	r.accepted += s.Registrations
	r.updates += s.Updates
	r.failures += s.Failures
}

var registrationInstruments = []instrument[registrations]{
	{"adsum.registration.wanted", "{registration}", gauge, "Registrations that are open.",
		one(func(r registrations) float64 { return float64(r.wanted) })},
	{"adsum.registration.registered", "{registration}", gauge, "Registrations that the registry holds.",
		one(func(r registrations) float64 { return float64(r.registered) })},
	{"adsum.registration.superseded", "{registration}", gauge, "Registrations whose id a younger owner took over, which is final.",
		one(func(r registrations) float64 { return float64(r.superseded) })},
	{"adsum.registration.since.timestamp", "s", gauge, "When adsum.registration.registered last changed, since 1970.",
		moment(func(r registrations) time.Time { return r.since })},
	{"adsum.registration.lost", "{loss}", counter, "How often a record was lost although it was registered.",
		one(func(r registrations) float64 { return float64(r.lost) })},
	{"adsum.registration.accepted", "{registration}", counter, "Registrations that the registry accepted.",
		one(func(r registrations) float64 { return float64(r.accepted) })},
	{"adsum.registration.updates", "{update}", counter, "Updates that the registry accepted.",
		one(func(r registrations) float64 { return float64(r.updates) })},
	{"adsum.registration.failures", "{failure}", counter, "Registrations and updates that failed, each to be tried again.",
		one(func(r registrations) float64 { return float64(r.failures) })},
}

// registrationKey is what registrations are told apart by.
type registrationKey struct{ registry, service, instance string }

func (k registrationKey) attributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{attrRegistry.String(k.registry), attrService.String(k.service)}
	if k.instance != "" {
		attrs = append(attrs, attrInstance.String(k.instance))
	}
	return attrs
}

func (t *Telemetry) registrationKey(s adsum.RegistrationStats) registrationKey {
	key := registrationKey{registry: s.Registry, service: s.Service}
	if t.options.instances {
		key.instance = s.ID
	}
	return key
}

// registrationStats adds up what has the same attributes.
func (t *Telemetry) registrationStats() map[registrationKey]registrations {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := maps.Clone(t.gone)
	for _, r := range t.registrations {
		s := r.Stats()
		key := t.registrationKey(s)
		sum := all[key]
		sum.add(s)
		all[key] = sum
	}
	return all
}

// keep keeps what a registration counted. The caller holds mu.
func (t *Telemetry) keep(r *adsum.Registration) {
	s := r.Stats()
	key := t.registrationKey(s)
	sum := t.gone[key]
	sum.lost += s.Lost
	sum.accepted += s.Registrations
	sum.updates += s.Updates
	sum.failures += s.Failures
	t.gone[key] = sum
}

var checkInstruments = []instrument[health.CheckStats]{
	{"adsum.health.status", "{check}", gauge, "1 for the status that the check has, 0 for the others.", readStatus},
	{"adsum.health.latency", "s", gauge, "How long the last answer of the check took.",
		func(s health.CheckStats, report func(float64, ...attribute.KeyValue)) {
			if s.Runs > 0 {
				report(s.Latency.Seconds())
			}
		}},
	{"adsum.health.runs", "{run}", counter, "Answers of the check.",
		one(func(s health.CheckStats) float64 { return float64(s.Runs) })},
	{"adsum.health.failures", "{failure}", counter, "Answers of the check that were not well.",
		one(func(s health.CheckStats) float64 { return float64(s.Failures) })},
}

func readStatus(s health.CheckStats, report func(float64, ...attribute.KeyValue)) {
	for _, status := range []adsum.Status{adsum.Passing, adsum.Warning, adsum.Starting, adsum.Critical} {
		report(truth(s.Status == status), attrStatus.String(string(status)))
	}
}

func (t *Telemetry) checkStats() (stats []health.CheckStats) {
	for _, c := range listed(t, &t.checkers) {
		stats = append(stats, c.Stats()...)
	}
	return stats
}
