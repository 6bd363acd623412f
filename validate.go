package adsum

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds that hold for every registry. A driver may be stricter.
const (
	maxServiceLen  = 128
	maxIDLen       = 255
	maxMetadataLen = 64 << 10 // all keys and values together
	maxWeight      = 65535    // Consul's bound
)

var (
	serviceGrammar  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	idGrammar       = regexp.MustCompile(`^[A-Za-z0-9._:@+~=\[\]%-]+$`)
	protocolGrammar = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)
)

// ValidateService checks a service's name: 1 to 128 letters, digits, dots,
// dashes and underscores, beginning and ending with a letter or digit. Every
// registry accepts such a name; Eureka does not tell upper from lower case.
func ValidateService(name string) error {
	const fix = "use letters, digits, '.', '-' and '_', beginning and ending with a letter or digit"
	switch {
	case name == "":
		return invalid("service", "", "it is empty", "name the service, for example \"book\"")
	case len(name) > maxServiceLen:
		return invalid("service", name, fmt.Sprintf("it has %d bytes, at most %d are allowed", len(name), maxServiceLen), "shorten it")
	case strings.Contains(name, "/"):
		return invalid("service", name, "a '/' is not allowed in a name", "put the folder into the registry's URL instead")
	case !serviceGrammar.MatchString(name):
		return invalid("service", name, "a character or its place is not allowed", fix)
	}
	return nil
}

// ValidateID checks an instance id: 1 to 255 letters, digits and any of
// ._:@+~=[]%-, so that every address is an id.
func ValidateID(id string) error {
	switch {
	case id == "":
		return invalid("id", "", "it is empty", "leave it out to use the address")
	case len(id) > maxIDLen:
		return invalid("id", id, fmt.Sprintf("it has %d bytes, at most %d are allowed", len(id), maxIDLen), "shorten it")
	case id == "." || id == "..":
		return invalid("id", id, "it is a path element with a meaning of its own", "choose another")
	case !idGrammar.MatchString(id):
		return invalid("id", id, "a character is not allowed", "use letters, digits and any of ._:@+~=[]%-")
	}
	return nil
}

// ValidateAddr checks an address that others are to call: host:port with a
// port from 1 to 65535, IPv6 in brackets, and not a wildcard.
func ValidateAddr(addr string) error { return validateAddr("addr", addr) }

func validateAddr(field, addr string) error {
	if addr == "" {
		return invalid(field, "", "it is empty", "give host:port, or let AdvertiseAddr choose one")
	}
	if i := strings.IndexFunc(addr, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == utf8.RuneError }); i >= 0 {
		return invalid(field, addr, "it contains a control character or a space", "give host:port")
	}
	if strings.Contains(addr, "://") {
		return invalid(field, addr, "it is a URL", "give host:port, and the protocol as the key of an endpoint")
	}
	host, port, err := splitHostPort(addr)
	if err != nil {
		return invalid(field, addr, err.Error(), "give host:port, IPv6 in brackets such as [2001:db8::1]:8080")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return invalid(field, addr, fmt.Sprintf("port %s is not a number from 1 to 65535", quote(port)), "give the port the service listens on")
	}
	if host == "" {
		return invalid(field, addr, "the host is empty", "advertise an address others can reach; AdvertiseAddr chooses one")
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && mistyped(host) {
		return invalid(field, addr, "the host is neither an IPv4 address nor a name", "write all four numbers, each from 0 to 255")
	}
	if err == nil {
		if ip.Unmap().IsUnspecified() {
			return invalid(field, addr, "a wildcard is where a server listens, not where it is reached", "advertise an address others can reach; AdvertiseAddr chooses one and says why")
		}
		if ip.Unmap().IsMulticast() {
			return invalid(field, addr, "it is a multicast address", "advertise a unicast address")
		}
	}
	return nil
}

// mistyped reports whether a host that is no IP address was meant to be one.
// Some resolvers read "10.1" as 10.0.0.1, and "0" as the wildcard. Other
// numbers without a dot may be the name of a container.
func mistyped(host string) bool {
	return host == "0" || strings.Contains(host, ".") && strings.Trim(host, "0123456789.") == ""
}

// splitHostPort is net.SplitHostPort with messages for people, and without
// accepting brackets around what is no IPv6 address.
func splitHostPort(addr string) (host, port string, err error) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return "", "", fmt.Errorf("the port is missing")
	}
	host, port = addr[:i], addr[i+1:]
	if strings.HasPrefix(host, "[") || strings.HasSuffix(host, "]") {
		inner, ok := strings.CutPrefix(host, "[")
		inner, ok2 := strings.CutSuffix(inner, "]")
		if ip, perr := netip.ParseAddr(inner); !ok || !ok2 || perr != nil || !ip.Is6() {
			return "", "", fmt.Errorf("the part in brackets is no IPv6 address")
		}
		return inner, port, nil
	}
	if strings.ContainsRune(host, ':') {
		return "", "", fmt.Errorf("it has too many colons")
	}
	if strings.ContainsAny(host, "/@?#*\\\"'<>{}|^`,;") {
		return "", "", fmt.Errorf("the host has a character that no host name has")
	}
	return host, port, nil
}

// Validate checks every field, before any I/O. The error is an
// [*InvalidError] that names the field, what is wrong, and what to do.
// Defaults are applied first, so an empty ID is fine.
func (in Instance) Validate() error {
	in = in.WithDefaults()
	if err := ValidateService(in.Service); err != nil {
		return err
	}
	if err := ValidateAddr(in.Addr); err != nil {
		return err
	}
	if err := ValidateID(in.ID); err != nil {
		return err
	}
	for _, p := range slices.Sorted(maps.Keys(in.Endpoints)) {
		if !protocolGrammar.MatchString(p) {
			return invalid("endpoints", p, "a protocol is a URL scheme in lower case", "use \"grpc\", \"grpcs\", \"http\" or \"https\"")
		}
		if err := validateAddr("endpoints."+p, in.Endpoints[p]); err != nil {
			return err
		}
	}
	if err := validateWeight(in.Weight); err != nil {
		return err
	}
	if !slices.Contains(Statuses(), in.Status) {
		return invalid("status", string(in.Status), "there is no such status", "use passing, warning, starting, draining or critical")
	}
	return in.validateTexts()
}

func (in Instance) validateTexts() error {
	texts := []struct{ field, value string }{{"zone", in.Zone}, {"version", in.Version}, {"reason", in.Reason}}
	for _, tag := range in.Tags {
		if tag == "" {
			return invalid("tags", "", "a tag is empty", "leave it out")
		}
		texts = append(texts, struct{ field, value string }{"tags", tag})
	}
	size := 0
	for _, key := range slices.Sorted(maps.Keys(in.Metadata)) {
		if key == "" {
			return invalid("metadata", "", "a key is empty", "name it")
		}
		size += len(key) + len(in.Metadata[key])
		texts = append(texts, struct{ field, value string }{"metadata key", key},
			struct{ field, value string }{"metadata." + printable(key), in.Metadata[key]})
	}
	if size > maxMetadataLen {
		return invalid("metadata", "", fmt.Sprintf("it has %d bytes, at most %d are allowed", size, maxMetadataLen), "keep large data elsewhere and publish where")
	}
	for _, t := range texts {
		if err := validateText(t.field, t.value); err != nil {
			return err
		}
	}
	return nil
}

// validateText refuses what must not reach a log or a terminal.
func validateText(field, value string) error {
	if !utf8.ValidString(value) {
		return invalid(field, value, "it is not valid UTF-8", "encode it as UTF-8, binary data as base64")
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return invalid(field, value, "it contains a control character", "remove it, or encode the value")
	}
	return nil
}

func validateWeight(w int) error {
	if w < 0 || w > maxWeight {
		return invalid("weight", strconv.Itoa(w), fmt.Sprintf("it is not between 1 and %d", maxWeight), "use 0 for the default; to take a copy out of service drain it")
	}
	return nil
}

func invalid(field, value, problem, fix string) error {
	e := &InvalidError{Field: field, Problem: problem, Fix: fix}
	if value != "" {
		e.Value = quote(value)
	}
	return e
}

// quote makes foreign text safe to print, and short.
func quote(s string) string { return strconv.Quote(cut(s)) }

func printable(s string) string {
	q := quote(s)
	return q[1 : len(q)-1]
}

func cut(s string) string {
	if len(s) > 64 {
		return s[:61] + "..."
	}
	return s
}
