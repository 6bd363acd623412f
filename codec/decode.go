package codec

import (
	"bytes"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/adsum-go/adsum"
)

// Bounds on what is read. They leave room for anything that these formats
// are used for, and none for an entry that was made to hurt.
const (
	maxSize  = 256 << 10
	maxDepth = 32
)

// Decode reads the value that lies under the key of a service's instance, in
// whichever format it is. Service and id come from the key; they are
// validated with the rest. The error says what is wrong in a form that is
// safe to print. It is safe for concurrent use.
func Decode(service, id string, value []byte) (Record, error) {
	if len(value) > maxSize {
		return Record{}, fmt.Errorf("the value has %d bytes, at most %d are read", len(value), maxSize)
	}
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return Record{}, fmt.Errorf("the value is empty")
	}
	r, err := decode(value)
	if err != nil {
		return Record{}, err
	}
	r.Instance.Service, r.Instance.ID = service, id
	r.Instance = Tidy(r.Instance).WithDefaults()
	if err := r.Instance.Validate(); err != nil {
		return Record{}, err
	}
	return r, nil
}

func decode(value []byte) (Record, error) {
	if value[0] != '{' {
		in, err := fromBare(string(value))
		return Record{Instance: in, Format: Addr}, err
	}
	o, err := parseObject(value)
	if err != nil {
		return Record{}, err
	}
	for _, f := range formats() {
		if f.match == nil || !f.match(o) {
			continue
		}
		r, err := f.decode(o)
		if err != nil {
			return Record{}, fmt.Errorf("read as %s: %w", f.name, err)
		}
		r.Format = f.name
		return r, nil
	}
	return Record{}, fmt.Errorf("a JSON object of no known format; its keys are %s", o.keys())
}

// fromBare reads an address, or a URL such as go-kit's users write.
func fromBare(text string) (adsum.Instance, error) {
	if !strings.Contains(text, "://") {
		return adsum.Instance{Addr: text}, nil
	}
	return fromURLs([]string{text})
}

// fromURLs reads endpoints written as scheme://host:port.
func fromURLs(urls []string) (adsum.Instance, error) {
	in := adsum.Instance{Endpoints: make(map[string]string, len(urls))}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return in, fmt.Errorf("%s is no URL with a host", quote(text))
		}
		scheme := strings.ToLower(u.Scheme)
		if secure, _ := strconv.ParseBool(u.Query().Get("isSecure")); secure && !strings.HasSuffix(scheme, "s") {
			scheme += "s" // Kratos' older way to say grpcs or https
		}
		host := u.Host
		if u.Port() == "" {
			port, known := map[string]string{"http": "80", "https": "443"}[scheme]
			if !known {
				return in, fmt.Errorf("%s has no port", quote(text))
			}
			host = strings.TrimSuffix(host, ":") + ":" + port
		}
		if _, seen := in.Endpoints[scheme]; !seen {
			in.Endpoints[scheme] = host
		}
		if in.Addr == "" {
			in.Addr = host // of an unusual scheme; a usual one wins below
		}
	}
	in.Addr, _ = in.Address("grpc", "http", "grpcs", "https")
	return in, nil
}

// Lift fills the fields that a foreign format has no place for from the
// metadata keys by which programs agree to say them: weight, zone, version and
// tags. What the instance says already stays.
func Lift(in adsum.Instance) adsum.Instance {
	if w, err := strconv.Atoi(in.Metadata["weight"]); err == nil && in.Weight == 0 {
		in.Weight = w
	}
	if in.Zone == "" {
		in.Zone = in.Metadata["zone"]
	}
	if in.Version == "" {
		in.Version = in.Metadata["version"]
	}
	if len(in.Tags) == 0 {
		for tag := range strings.SplitSeq(in.Metadata["tags"], ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				in.Tags = append(in.Tags, tag)
			}
		}
	}
	return in
}

// sink is the reverse of Lift: metadata that also says the fields a foreign
// format has no place for. What the instance says itself under such a key wins.
func sink(in adsum.Instance) map[string]string {
	m := make(map[string]string, len(in.Metadata)+3)
	if in.Weight != adsum.DefaultWeight {
		m["weight"] = strconv.Itoa(in.Weight)
	}
	if in.Zone != "" {
		m["zone"] = in.Zone
	}
	if in.Version != "" {
		m["version"] = in.Version
	}
	if len(in.Tags) > 0 {
		m["tags"] = strings.Join(in.Tags, ",")
	}
	for k, v := range in.Metadata {
		m[k] = v
	}
	return m
}

// Tidy makes free text safe to print and numbers fit their bounds, so that
// one odd metadata value does not cost an otherwise good instance. What it was
// given is not modified.
func Tidy(in adsum.Instance) adsum.Instance {
	in.Weight = min(max(in.Weight, 0), maxWeight)
	in.Zone, in.Version, in.Reason = clean(in.Zone), clean(in.Version), clean(in.Reason)
	if len(in.Tags) > 0 {
		tags := make([]string, 0, len(in.Tags))
		for _, tag := range in.Tags {
			if tag != "" {
				tags = append(tags, clean(tag))
			}
		}
		in.Tags = tags
	}
	if len(in.Metadata) > 0 {
		metadata := make(map[string]string, len(in.Metadata))
		for k, v := range in.Metadata {
			if k != "" {
				metadata[clean(k)] = clean(v)
			}
		}
		in.Metadata = metadata
	}
	return in
}

const maxWeight = 65535

func clean(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// quote makes foreign text safe to print, and short.
func quote(s string) string {
	if len(s) > 64 {
		s = s[:61] + "..."
	}
	return strconv.Quote(s)
}
