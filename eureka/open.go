package eureka

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
)

// serversPrefix begins the options that list the servers of a zone.
const serversPrefix = "servers."

// Open opens the registry that a URL names:
//
//	eureka+http://user:password@host:8761,host2:8761/eureka
//	eureka+https://host:8761/eureka/v2?ca-file=ca.pem
//
// It does no I/O: no server need be up. Hosts without a port get 8761, none at
// all 127.0.0.1:8761. The path is the servers' base path, /eureka if empty.
// The first server that answers is used until it fails. The options are
//
//	zone           where this program runs: servers of that zone come first
//	servers.ZONE   further servers, by zone: servers.eu-1a=host,host2:8761
//	user           the user's name, if not in front of the host
//	password-file  a file with the password, read for every request
//	password-env   an environment variable with the password
//	ca-file        PEM certificates to trust instead of the system's
//	cert-file      our PEM certificate, for mutual TLS
//	key-file       its key
//	server-name    the name in the server's certificate, if not the host's
//	prefer-ip      [Options.PreferIP], true or false
//	poll           [Options.Poll], default 30s
//	dial-timeout   how long one connection attempt may take, default 5s
//	timeout        [Options.Timeout], default 5s
//
// and, to say what differs from the defaults at the servers,
//
//	server-cache      [Options.ServerCache], default 30s; 0 for none
//	eviction          [Options.Eviction], default 60s
//	self-preservation false for [Options.NoSelfPreservation]
//
// Certificate files are read anew for every connection. Errors are
// [adsum.ErrInvalid].
func Open(rawURL string) (adsum.Registry, error) {
	return open(rawURL, nil)
}

func open(rawURL string, now func() time.Time) (*Registry, error) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	secure, known := map[string]bool{"eureka+http": false, "eureka+https": true}[u.Scheme]
	if !known {
		return nil, invalidURL(u, "scheme", u.Scheme, "it is not one of this driver", "use eureka+http or eureka+https")
	}
	keys := []string{"zone", "user", "password-file", "password-env", "ca-file", "cert-file", "key-file", "server-name",
		"prefer-ip", "poll", "dial-timeout", "timeout", "server-cache", "eviction", "self-preservation"}
	for key := range u.Query {
		if strings.HasPrefix(key, serversPrefix) {
			keys = append(keys, key)
		}
	}
	if err := u.Known(keys...); err != nil {
		return nil, err
	}
	opts, err := options(u)
	if err != nil {
		return nil, err
	}
	opts.Now = now
	t, err := newTrust(u, secure)
	if err != nil {
		return nil, err
	}
	dialTimeout, err := duration(u, "dial-timeout")
	if err != nil {
		return nil, err
	}
	if dialTimeout == 0 {
		dialTimeout = defaultTimeout
	}
	all, err := serversOf(u)
	if err != nil {
		return nil, err
	}
	return newRegistry(all, u.String(), newTransport(t, dialTimeout), opts), nil
}

func options(u *adsum.URL) (Options, error) {
	opts := Options{}
	var err error
	if opts.User, opts.Password, err = login(u); err != nil {
		return opts, err
	}
	for key, target := range map[string]*time.Duration{"poll": &opts.Poll, "timeout": &opts.Timeout, "eviction": &opts.Eviction} {
		if *target, err = duration(u, key); err != nil {
			return opts, err
		}
	}
	if text := u.Query.Get("server-cache"); text == "0" {
		opts.ServerCache = -1
	} else if opts.ServerCache, err = duration(u, "server-cache"); err != nil {
		return opts, err
	}
	if opts.PreferIP, err = boolean(u, "prefer-ip", false); err != nil {
		return opts, err
	}
	preserves, err := boolean(u, "self-preservation", true)
	opts.NoSelfPreservation = !preserves
	return opts, err
}

// serversOf lists the servers of the own zone, then the hosts, then the
// servers of other zones.
func serversOf(u *adsum.URL) ([]*server, error) {
	zone := u.Query.Get("zone")
	var own, others []string
	for _, key := range sorted(u.Query) {
		name, ok := strings.CutPrefix(key, serversPrefix)
		if !ok {
			continue
		}
		hosts := strings.Split(u.Query.Get(key), ",")
		if name == zone {
			own = hosts
		} else {
			others = append(others, hosts...)
		}
	}
	hosts := append(append(own, u.Hosts...), others...)
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1"}
	}
	base := "/" + strings.Trim(u.Path, "/")
	if base == "/" {
		base = "/eureka"
	}
	var all []*server
	for _, host := range hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "8761")
		}
		s, err := url.Parse(strings.TrimPrefix(u.Scheme, "eureka+") + "://" + host)
		if err != nil || s.User != nil || s.Path != "" || s.Host != host {
			return nil, invalidURL(u, "host", "", "one is no host", "list hosts as host:port,host:port")
		}
		s.Path = base
		all = append(all, &server{base: s})
	}
	return all, nil
}

// login returns an empty user if the URL names none.
func login(u *adsum.URL) (user string, password func() (string, error), err error) {
	user = u.Query.Get("user")
	text, inURL := "", false
	if u.User != nil {
		user = u.User.Username()
		text, inURL = u.User.Password()
	}
	file, env := u.Query.Get("password-file"), u.Query.Get("password-env")
	given := 0
	for _, is := range []bool{inURL, file != "", env != ""} {
		if is {
			given++
		}
	}
	switch {
	case user == "" && given == 0:
		return "", nil, nil
	case user == "":
		return "", nil, invalidURL(u, "user", "", "there is a password and no user", "add user=NAME")
	case given != 1:
		return "", nil, invalidURL(u, "password", "", "a user needs exactly one password",
			"use one of user:password@host, password-file=FILE and password-env=VARIABLE")
	}
	return user, func() (string, error) {
		switch {
		case file != "":
			content, err := os.ReadFile(file)
			return strings.TrimRight(string(content), "\r\n"), err
		case env != "":
			value, ok := os.LookupEnv(env)
			if !ok {
				return "", fmt.Errorf("the environment variable %s for the password is not set", env)
			}
			return value, nil
		}
		return text, nil
	}, nil
}

// newTrust reads which files TLS needs.
func newTrust(u *adsum.URL, secure bool) (*trust, error) {
	q := u.Query
	t := &trust{caFile: q.Get("ca-file"), certFile: q.Get("cert-file"), keyFile: q.Get("key-file"), serverName: q.Get("server-name")}
	if !secure && *t != (trust{}) {
		return nil, invalidURL(u, "scheme", u.Scheme, "other options ask for TLS", "use eureka+https, or leave those out")
	}
	if (t.certFile == "") != (t.keyFile == "") {
		return nil, invalidURL(u, "cert-file", "", "a certificate and its key belong together", "give both cert-file and key-file")
	}
	return t, nil
}

func duration(u *adsum.URL, key string) (time.Duration, error) {
	text := u.Query.Get(key)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, invalidURL(u, key, text, "it is no positive duration", "write it like 5s or 500ms")
	}
	return d, nil
}

func boolean(u *adsum.URL, key string, otherwise bool) (bool, error) {
	text := u.Query.Get(key)
	if text == "" {
		return otherwise, nil
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, invalidURL(u, key, text, "it is neither true nor false", "use "+key+"=true")
	}
	return is, nil
}

func invalidURL(u *adsum.URL, field, value, problem, fix string) error {
	if value != "" {
		value = strconv.Quote(value)
	}
	return &adsum.InvalidError{Field: "registry URL (" + u.Scheme + "://…): " + field, Value: value, Problem: problem, Fix: fix}
}
