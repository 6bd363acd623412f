package adsumotel

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The attributes of this package's own metrics and spans.
const (
	attrRegistry  = attribute.Key("adsum.registry")
	attrService   = attribute.Key("adsum.service")
	attrInstance  = attribute.Key("adsum.instance")
	attrStatus    = attribute.Key("adsum.status")
	attrCheck     = attribute.Key("adsum.check")
	attrTransport = attribute.Key("adsum.transport")
	attrState     = attribute.Key("adsum.state")
)

// instrument is one metric that is read from the numbers of a thing.
type instrument[S any] struct {
	name, unit string
	kind       kind
	about      string
	read       func(s S, report func(value float64, more ...attribute.KeyValue))
}

type kind uint8

const (
	gauge   kind = iota
	counter      // only rises
)

// family are the instruments of one kind of thing.
type family[S any] struct {
	instruments []instrument[S]
	made        []metric.Float64Observable
}

func newFamily[S any](meter metric.Meter, instruments []instrument[S]) (*family[S], error) {
	f := &family[S]{instruments: instruments}
	for _, i := range instruments {
		made, err := i.make(meter)
		if err != nil {
			return nil, fmt.Errorf("instrument %s: %w", i.name, err)
		}
		f.made = append(f.made, made)
	}
	return f, nil
}

func (i instrument[S]) make(meter metric.Meter) (metric.Float64Observable, error) {
	if i.kind == counter {
		return meter.Float64ObservableCounter(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.about))
	}
	return meter.Float64ObservableGauge(i.name, metric.WithUnit(i.unit), metric.WithDescription(i.about))
}

func (f *family[S]) all() []metric.Observable {
	var all []metric.Observable
	for _, made := range f.made {
		all = append(all, made)
	}
	return all
}

// report reads every instrument from s.
func (f *family[S]) report(o metric.Observer, s S, attrs ...attribute.KeyValue) {
	for i, instrument := range f.instruments {
		instrument.read(s, func(value float64, more ...attribute.KeyValue) {
			all := append(attrs[:len(attrs):len(attrs)], more...)
			o.ObserveFloat64(f.made[i], value, metric.WithAttributes(all...))
		})
	}
}

// one reads an instrument that always has a value.
func one[S any](value func(S) float64) func(S, func(float64, ...attribute.KeyValue)) {
	return func(s S, report func(float64, ...attribute.KeyValue)) { report(value(s)) }
}

// truth is 1 for true.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// moment reads a time, as seconds since 1970, unless it is zero.
func moment[S any](value func(S) time.Time) func(S, func(float64, ...attribute.KeyValue)) {
	return func(s S, report func(float64, ...attribute.KeyValue)) {
		if t := value(s); !t.IsZero() {
			report(float64(t.UnixMilli()) / 1000)
		}
	}
}
