package adsumotel

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

var registrationInstruments = []instrument[adsum.RegistrationStats]{
	{"adsum.registration.registered", "{registration}", gauge, "1 while the registry holds the instance.",
		one(func(s adsum.RegistrationStats) float64 { return truth(s.Registered) })},
	{"adsum.registration.superseded", "{registration}", gauge, "1 once a younger owner took the id over, which is final.",
		one(func(s adsum.RegistrationStats) float64 { return truth(s.Superseded) })},
	{"adsum.registration.since.timestamp", "s", gauge, "When adsum.registration.registered became what it is, since 1970.",
		moment(func(s adsum.RegistrationStats) time.Time { return s.Since })},
	{"adsum.registration.lost", "{loss}", counter, "How often the record was lost although it was registered.",
		one(func(s adsum.RegistrationStats) float64 { return float64(s.Lost) })},
	{"adsum.registration.accepted", "{registration}", counter, "Registrations that the registry accepted.",
		one(func(s adsum.RegistrationStats) float64 { return float64(s.Registrations) })},
	{"adsum.registration.updates", "{update}", counter, "Updates that the registry accepted.",
		one(func(s adsum.RegistrationStats) float64 { return float64(s.Updates) })},
	{"adsum.registration.failures", "{failure}", counter, "Registrations and updates that failed, each to be tried again.",
		one(func(s adsum.RegistrationStats) float64 { return float64(s.Failures) })},
}

func (t *Telemetry) registrationAttributes(s adsum.RegistrationStats) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attrRegistry.String(s.Registry), attrService.String(s.Service)}
	if t.options.instances {
		attrs = append(attrs, attrInstance.String(s.ID))
	}
	return attrs
}

func (t *Telemetry) registrationStats() (stats []adsum.RegistrationStats) {
	for _, r := range listed(t, &t.registrations) {
		stats = append(stats, r.Stats())
	}
	return stats
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
