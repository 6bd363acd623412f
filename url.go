package adsum

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// URL names a registry: scheme://user:password@host:port,host:port/path?key=value.
// Unlike [net/url.URL] it holds several hosts, and it never prints a password.
type URL struct {
	Scheme string
	User   *url.Userinfo // nil if none
	Hosts  []string      // host:port or host, as given
	Path   string        // without slashes around it; without hosts a leading one is kept
	Query  url.Values
}

// ParseURL reads a registry's URL. Errors are [ErrInvalid] and never repeat a
// password.
func ParseURL(raw string) (*URL, error) {
	const example = "write it like etcd://127.0.0.1:2379/services"
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok || !protocolGrammar.MatchString(scheme) {
		return nil, &InvalidError{Field: urlField, Problem: "it has no scheme", Fix: example}
	}
	u := &URL{Scheme: scheme, Query: url.Values{}}
	if strings.ContainsFunc(raw, unicode.IsControl) || strings.TrimSpace(raw) != raw {
		return nil, u.invalid("it has a line break or the like, or ends with a space", "look at how it was read; in a path write a line break as %0A")
	}
	rest, fragment, hasFragment := strings.Cut(rest, "#")
	if hasFragment && fragment != "" {
		return nil, u.invalid("it has a fragment ('#')", "write a '#' as %23")
	}
	rest, query, _ := strings.Cut(rest, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, u.invalid("the part after '?' is not well formed", "separate key=value pairs by '&' and escape other characters")
	}
	u.Query = q
	authority, hasAuthority := strings.CutPrefix(rest, "//")
	path := rest
	if hasAuthority {
		authority, path, _ = strings.Cut(authority, "/")
		if err := u.parseAuthority(authority); err != nil {
			return nil, err
		}
		if len(u.Hosts) > 0 && u.strays(path) {
			return nil, u.invalid("there is an '@' behind the hosts", "in a password write '/' as %2F and '?' as %3F; elsewhere write '@' as %40")
		}
	}
	if len(u.Hosts) == 0 && looksLikeHost(path) {
		return nil, u.invalid("a host is where the path should be", "write "+scheme+"://host:port with two slashes; in a path write ':' as %3A and '@' as %40")
	}
	if u.Path, err = url.PathUnescape(path); err != nil {
		return nil, u.invalid("the path has a broken %-escape", "write a '%' as %25")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	if hasAuthority && len(u.Hosts) > 0 {
		u.Path = strings.TrimLeft(u.Path, "/")
	} else if hasAuthority && u.Path != "" {
		u.Path = "/" + strings.TrimLeft(u.Path, "/")
	}
	return u, nil
}

// strays reports whether what comes behind the hosts looks like the second
// half of a password that was not escaped, which must not be taken for
// something that can be printed.
func (u *URL) strays(path string) bool {
	stray := strings.Contains(path, "@")
	for key := range u.Query {
		stray = stray || strings.Contains(key, "@")
	}
	return stray
}

// looksLikeHost reports whether a path begins with a host, and a password
// perhaps, which must not be taken for something that can be printed. A drive of
// Windows, /C:/, is none.
func looksLikeHost(path string) bool {
	bare := strings.TrimLeft(path, "/")
	first, _, _ := strings.Cut(bare, "/")
	_, port, hasPort := strings.Cut(first, ":")
	return strings.Contains(first, "@") || hasPort && (port != "" || bare == path)
}

func (u *URL) parseAuthority(authority string) error {
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		name, password, hasPassword := strings.Cut(authority[:i], ":")
		name, err1 := url.PathUnescape(name)
		password, err2 := url.PathUnescape(password)
		if errors.Join(err1, err2) != nil {
			return u.invalid("the user or password has a broken %-escape", "write a '%' as %25")
		}
		if hasPassword {
			u.User = url.UserPassword(name, password)
		} else {
			u.User = url.User(name)
		}
		authority = authority[i+1:]
	}
	if authority == "" {
		return nil
	}
	for host := range strings.SplitSeq(authority, ",") {
		if host == "" {
			return u.invalid("a host in the list is empty", "separate hosts by single commas")
		}
		if strings.ContainsFunc(host, func(r rune) bool {
			return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune("\"<>\\^`{|}", r)
		}) {
			return u.invalid("a host has a character that no host has", "write host:port, IPv6 in brackets")
		}
		if err := u.checkPort(host); err != nil {
			return err
		}
		u.Hosts = append(u.Hosts, host)
	}
	return nil
}

// checkPort refuses a port that cannot be one, which may be the beginning of a
// password, and so is not repeated.
func (u *URL) checkPort(host string) error {
	name, port, hasPort := host, "", false
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port, hasPort = host[:i], host[i+1:], true
	}
	if strings.ContainsRune(name, ':') && !(strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]")) {
		return u.invalid("a host has too many colons", "write host:port, IPv6 in brackets")
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return u.invalid("a port is not a number from 1 to 65535", "write host:port; in a password write '/' as %2F, '?' as %3F and '#' as %23")
	}
	return nil
}

// String prints the URL for people: without the password, and with the values
// of query keys that may hold a secret replaced.
func (u *URL) String() string {
	var b strings.Builder
	b.WriteString(u.Scheme + ":")
	if u.User != nil || len(u.Hosts) > 0 {
		b.WriteString("//")
		if u.User != nil {
			b.WriteString(url.User(u.User.Username()).String())
			if _, has := u.User.Password(); has {
				b.WriteString(":***")
			}
			b.WriteByte('@')
		}
		b.WriteString(strings.Join(u.Hosts, ","))
		if u.Path != "" && !strings.HasPrefix(u.Path, "/") {
			b.WriteByte('/')
		}
	}
	path := strings.ReplaceAll((&url.URL{Path: u.Path}).EscapedPath(), "@", "%40")
	if u.User == nil && len(u.Hosts) == 0 {
		path = strings.ReplaceAll(path, ":", "%3A") // which would look like a host's
	}
	b.WriteString(path)
	if len(u.Query) > 0 {
		q := url.Values{}
		for k, vs := range u.Query {
			for _, v := range vs {
				if secretKey(k) {
					v = "***"
				}
				q.Add(k, v)
			}
		}
		b.WriteString("?" + strings.ReplaceAll(q.Encode(), "%2A%2A%2A", "***"))
	}
	return b.String()
}

// secretKey tells which query keys hold a secret; those that end in "file"
// only say where one lies.
func secretKey(key string) bool {
	key = strings.ToLower(key)
	if strings.HasSuffix(key, "file") {
		return false
	}
	for _, word := range []string{"password", "token", "secret", "passwd", "auth"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// Known refuses query keys outside the list, so that a misspelt option is
// an error and not silently ignored, and one that is given twice, of which only
// the first would count. A key with "..." behind it in the list may be repeated.
func (u *URL) Known(keys ...string) error {
	keys = slices.Clone(keys)
	repeats := map[string]bool{}
	for i, k := range keys {
		keys[i], repeats[strings.TrimSuffix(k, "...")] = strings.TrimSuffix(k, "..."), strings.HasSuffix(k, "...")
	}
	for _, k := range slices.Sorted(maps.Keys(u.Query)) {
		if !slices.Contains(keys, k) {
			slices.Sort(keys)
			fix := "the options of " + u.Scheme + " are: " + strings.Join(keys, ", ")
			if len(keys) == 0 {
				fix = u.Scheme + " has no options"
			}
			return u.invalid(fmt.Sprintf("it has an unknown option %s", quote(k)), fix)
		}
		if n := len(u.Query[k]); n > 1 && !repeats[k] {
			return u.invalid(fmt.Sprintf("it has the option %s %d times", quote(k), n), "give it once")
		}
	}
	return nil
}

func (u *URL) invalid(problem, fix string) error {
	return &InvalidError{Field: urlField + " (" + u.Scheme + "://…)", Problem: problem, Fix: fix}
}

// urlField is how an [InvalidError] names a registry's URL, with its scheme behind
// it, and then perhaps which part of it.
const urlField = "registry URL"

// located names the URL in a driver's error about one of its settings.
func (u *URL) located(err error) error {
	var invalid *InvalidError
	if !errors.As(err, &invalid) || strings.HasPrefix(invalid.Field, urlField) {
		return err
	}
	located := *invalid
	located.Field = fmt.Sprintf("%s (%s://…): %s", urlField, u.Scheme, invalid.Field)
	return &located
}

// Openers is a program's table of the registries it can open, by URL scheme.
// There is no global registration: a program lists the drivers it wants.
//
//	openers := adsum.Openers{"etcd": etcd.Open, "memory": memory.Open}
//	registry, err := openers.Open(os.Getenv("ADSUM_REGISTRY"))
type Openers map[string]func(rawURL string) (Registry, error)

// Open opens the registry that the URL names. It does no I/O: the registry
// need not be up. An [InvalidError] names the URL's scheme, and what is wrong
// with which part, and never repeats a password.
func (o Openers) Open(rawURL string) (Registry, error) {
	u, err := ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	open, ok := o[u.Scheme]
	if !ok {
		return nil, u.invalid("this program has no driver for that scheme", "use one of: "+strings.Join(slices.Sorted(maps.Keys(o)), ", "))
	}
	registry, err := open(rawURL)
	if err != nil {
		return nil, u.located(err)
	}
	return registry, nil
}
