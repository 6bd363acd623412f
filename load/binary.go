package load

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// TrailerKey is the key of gRPC's metadata under which a report is sent, in
// its binary form.
const TrailerKey = "endpoint-load-metrics-bin"

const (
	most      = 1e15 // of any number; more is no load
	mostCalls = 1e9
)

func seconds(s float64) time.Duration {
	return time.Duration(min(s, 1e6) * float64(time.Second))
}

// ErrMalformed says that something is no load report.
var ErrMalformed = errors.New("malformed load report")

// AppendBinary appends the report as a protobuf message.
func (r *Report) AppendBinary(b []byte) []byte {
	for _, m := range r.metrics() {
		switch {
		case !m.said():
		case m.field == fieldNamed:
			// A map entry: key and value.
			b = append(b, fieldNamed<<3|2, byte(2+len(m.name)+9), 1<<3|2, byte(len(m.name)))
			b = append(b, m.name...)
			b = append(b, 2<<3|1)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.value))
		default:
			b = append(b, byte(m.field<<3|1))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(m.value))
		}
	}
	return b
}

// ParseBinary reads a report from a protobuf message. It does not allocate. What
// it does not know it passes over; it fails with [ErrMalformed].
func ParseBinary(message string) (Report, error) {
	var r Report
	for rest := message; rest != ""; {
		f, after, ok := nextField(rest)
		if !ok {
			return Report{}, ErrMalformed
		}
		rest = after
		switch {
		case f.kind == 1:
			if f.number != fieldNamed {
				r.set(f.number, "", f.fixed)
			}
		case f.kind == 2 && f.number == fieldNamed:
			name, value, ok := entry(f.bytes)
			if !ok {
				return Report{}, ErrMalformed
			}
			r.set(fieldNamed, name, value)
		}
	}
	return r, nil
}

// OfTrailer is the load that the values of a [TrailerKey] tell; not known if there is
// not exactly one, or it is no report.
func OfTrailer(values []string) lb.Load { return only(values, ParseBinary) }

// entry reads an entry of a map from names to numbers.
func entry(message string) (name string, value float64, ok bool) {
	for message != "" {
		f, after, ok := nextField(message)
		if !ok {
			return "", 0, false
		}
		message = after
		switch {
		case f.number == 1 && f.kind == 2:
			name = f.bytes
		case f.number == 2 && f.kind == 1:
			value = f.fixed
		}
	}
	return name, value, true
}

// field is one of a message: a number of the kind 1, or bytes of the kind 2; the
// other kinds are passed over.
type field struct {
	number, kind int
	fixed        float64
	bytes        string
}

func nextField(s string) (f field, rest string, ok bool) {
	tag, s, ok := varint(s)
	if !ok || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return f, "", false
	}
	f.number, f.kind = int(tag>>3), int(tag&7)
	var length uint64
	switch f.kind {
	case 0:
		_, s, ok = varint(s)
		return f, s, ok
	case 1:
		length = 8
	case 2:
		length, s, ok = varint(s)
	case 5:
		length = 4
	default:
		return f, "", false
	}
	if !ok || length > uint64(len(s)) {
		return f, "", false
	}
	f.bytes, s = s[:length], s[length:]
	if f.kind == 1 {
		var bits uint64
		for i := 7; i >= 0; i-- {
			bits = bits<<8 | uint64(f.bytes[i])
		}
		f.fixed = math.Float64frombits(bits)
	}
	return f, s, true
}

func varint(s string) (v uint64, rest string, ok bool) {
	for i := 0; i < len(s) && i < 10; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, s[i+1:], true
		}
	}
	return 0, "", false
}
