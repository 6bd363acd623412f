package adsumotel

import (
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adsum-go/adsum"
)

var directoryInstruments = []instrument[adsum.DirectoryStats]{
	{"adsum.registry.up", "{registry}", gauge, "1 while the registry answers for at least one of the services watched.",
		func(s adsum.DirectoryStats, report func(float64, ...attribute.KeyValue)) {
			if len(s.Services) > 0 {
				report(truth(answers(s)))
			}
		}},
	{"adsum.registry.propagation", "s", gauge, "How long a change takes from the registry to its watchers while all is well, as its driver declares.",
		func(s adsum.DirectoryStats, report func(float64, ...attribute.KeyValue)) {
			if s.Propagation > 0 {
				report(s.Propagation.Seconds())
			}
		}},
	{"adsum.directory.services", "{service}", gauge, "Services that are watched.",
		one(func(s adsum.DirectoryStats) float64 { return float64(len(s.Services)) })},
}

// answers reports whether the registry confirms anything. One that lost its memory
// is there, although it is not believed.
func answers(s adsum.DirectoryStats) bool {
	for _, s := range s.Services {
		if s.Known && !s.FromDisk && (s.Err == nil || errors.Is(s.Err, adsum.ErrMemoryLost)) {
			return true
		}
	}
	return false
}

var serviceInstruments = []instrument[adsum.ServiceStats]{
	{"adsum.directory.known", "{service}", gauge, "1 once anything is known of the service, from the registry or from disk.",
		one(func(s adsum.ServiceStats) float64 { return truth(s.Known) })},
	{"adsum.directory.stale", "{service}", gauge, "1 while the registry does not confirm what is known of the service.",
		one(func(s adsum.ServiceStats) float64 { return truth(s.Stale) })},
	{"adsum.directory.last_sync.timestamp", "s", gauge, "When the registry last confirmed what is known of the service, since 1970.",
		moment(func(s adsum.ServiceStats) time.Time { return s.SyncedAt })},
	{"adsum.directory.last_change.timestamp", "s", gauge, "When the instances last changed, since 1970.",
		moment(func(s adsum.ServiceStats) time.Time { return s.ChangedAt })},
	{"adsum.directory.instances", "{instance}", gauge, "Instances of the service by status.", readInstances},
	{"adsum.directory.skipped", "{entry}", gauge, "Entries of the registry that cannot be read.",
		one(func(s adsum.ServiceStats) float64 { return float64(s.Skipped) })},
	{"adsum.directory.events", "{event}", counter, "What the watch was told: changes and proofs of life.",
		one(func(s adsum.ServiceStats) float64 { return float64(s.Answers) })},
	{"adsum.directory.changes", "{change}", counter, "Snapshots that differ in content from the one before.",
		one(func(s adsum.ServiceStats) float64 { return float64(s.Changes) })},
	{"adsum.directory.watches", "{watch}", counter, "How often the watch was begun.",
		one(func(s adsum.ServiceStats) float64 { return float64(s.Watches) })},
	{"adsum.directory.errors", "{error}", counter, "How often the watch broke or did not come about.",
		one(func(s adsum.ServiceStats) float64 { return float64(s.Errors) })},
}

// readInstances reports every status, so that one that is left by its last
// instance falls to zero instead of staying what it was.
func readInstances(s adsum.ServiceStats, report func(float64, ...attribute.KeyValue)) {
	for _, status := range adsum.Statuses() {
		report(float64(s.Instances[status]), attrStatus.String(string(status)))
	}
}

func (t *Telemetry) directoryStats() (stats []adsum.DirectoryStats) {
	for _, d := range listed(t, &t.directories) {
		stats = append(stats, d.Stats())
	}
	return stats
}
