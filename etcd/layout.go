package etcd

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/adsum-go/adsum"
)

// layout says where things lie. Nothing of ours but instances in the chosen
// format lies under a service's public prefix, because foreign readers take
// every key there for an endpoint.
//
//	NAMESPACE BASE SERVICE/ID                          the public record
//	NAMESPACE /adsum/v1 BASE SERVICE/ID/record         the private record
//	NAMESPACE /adsum/v1 BASE SERVICE/ID/override       an operator's word
type layout struct {
	base    string // of public records: "" or "/services/", behind the namespace
	private string // of private ones: "/adsum/v1/" or "/adsum/v1/services/"
}

const (
	privateRoot  = "/adsum/v1"
	recordLeaf   = "/record"
	overrideLeaf = "/override"
)

func newLayout(namespace, base string) (layout, error) {
	base = strings.Trim(base, "/")
	if first, _, _ := strings.Cut(base, "/"); first == "adsum" {
		return layout{}, &adsum.InvalidError{Field: "base", Value: strconv.Quote("/" + base),
			Problem: "keys under /adsum are the library's own", Fix: "use another path, such as /services"}
	}
	if base == "" {
		return layout{base: namespace, private: namespace + privateRoot + "/"}, nil
	}
	return layout{base: namespace + "/" + base + "/", private: namespace + privateRoot + "/" + base + "/"}, nil
}

// keys are the places of one instance.
type keys struct{ public, record, override string }

func (l layout) keys(service, id string) keys {
	own := l.private + service + "/" + id
	return keys{public: l.base + service + "/" + id, record: own + recordLeaf, override: own + overrideLeaf}
}

// own is the prefix of both private places of the instance.
func (k keys) own() string { return strings.TrimSuffix(k.record, "record") }

func (l layout) publicPrefix(service string) string  { return l.base + service + "/" }
func (l layout) privatePrefix(service string) string { return l.private + service + "/" }

// kind tells what lies under a key.
type kind int

const (
	other kind = iota
	publicRecord
	privateRecord
	override
)

// split tells what a key below one of the two prefixes holds, and of whom.
// A foreign key may have more parts than ours; it is an instance all the same.
func (l layout) split(key string) (service, id string, k kind) {
	if rest, ok := strings.CutPrefix(key, l.private); ok {
		parts := strings.Split(rest, "/")
		if len(parts) != 3 {
			return "", "", other
		}
		switch "/" + parts[2] {
		case recordLeaf:
			return parts[0], parts[1], privateRecord
		case overrideLeaf:
			return parts[0], parts[1], override
		}
		return "", "", other
	}
	rest, ok := strings.CutPrefix(key, l.base)
	if !ok {
		return "", "", other
	}
	service, rest, ok = strings.Cut(rest, "/")
	if !ok || rest == "" {
		return "", "", other
	}
	return service, idOfKey(rest), publicRecord
}

// idOfKey makes an id of whatever foreign programs put behind the service's
// prefix: a key that is no id has its odd characters, and '%', written as %XX.
// A dot is odd in "." and "..".
func idOfKey(rest string) string {
	if adsum.ValidateID(rest) == nil {
		return rest
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(rest) {
		c := rest[i]
		if c != '%' && (c != '.' || len(rest) > 2) && adsum.ValidateID("x"+string(rune(c))) == nil {
			b.WriteByte(c)
			continue
		}
		b.WriteString(string([]byte{'%', hex[c>>4], hex[c&15]}))
	}
	return b.String()
}

// foreignKey reverses idOfKey, if the id is one that it made.
func (l layout) foreignKey(service, id string) (string, bool) {
	rest, err := url.PathUnescape(id)
	if err != nil || rest == id || idOfKey(rest) != id {
		return "", false
	}
	return l.base + service + "/" + rest, true
}
