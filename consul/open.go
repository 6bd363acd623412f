package consul

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// Open opens the registry that a URL names:
//
//	consul://host:8500,host2:8500?token-file=/run/secrets/consul
//
// The hosts are agents, of which the first that can be reached is used until
// it fails. Open does no I/O: none need be up. Hosts without a port get 8500,
// 8501 with TLS; no host at all is 127.0.0.1. The options are
//
//	token, token-file, token-env   the ACL token: itself, a file that holds it,
//	                 read for every request, or an environment variable
//	tls              true to use TLS; implied by the next four
//	ca-file          PEM certificates to trust instead of the system's
//	cert-file        our PEM certificate, for mutual TLS
//	key-file         its key
//	server-name      the name in the agent's certificate, if not the host's
//	namespace, partition   passed through (Consul Enterprise)
//	datacenter       [Options.Datacenter]
//	max-stale        [Options.MaxStale]
//	tag, passing     [Options.Tags], may be repeated; [Options.PassingOnly], true or false
//	check            [Options.Check] by [CheckURL]: http:/healthz, grpc:book, tcp: …
//	check-interval, check-timeout   default 10s and 5s
//	deregister-after [Options.DeregisterAfter], default 1m
//	dial-timeout     how long one connection attempt may take, default 5s
//	timeout          [Options.Timeout], default 5s
//	heartbeat        [Options.Heartbeat], default 10s
//
// Certificate files are read anew for every connection. Where the URL says
// nothing about token, namespace and partition, the environment variables of
// Consul's own client apply (CONSUL_HTTP_TOKEN, …). Errors are
// [adsum.ErrInvalid].
func Open(rawURL string) (adsum.Registry, error) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := u.Known("token", "token-file", "token-env", "tls", "ca-file", "cert-file", "key-file", "server-name",
		"namespace", "partition", "datacenter", "max-stale", "tag...", "passing",
		"check", "check-interval", "check-timeout", "deregister-after", "dial-timeout", "timeout", "heartbeat"); err != nil {
		return nil, err
	}
	switch {
	case u.Scheme != "consul":
		return nil, invalidURL("scheme", u.Scheme, "it is none of Consul's", "write it like consul://127.0.0.1:8500")
	case u.Path != "":
		return nil, invalidURL("path", u.Path, "Consul has no folders", "leave it out")
	case u.User != nil:
		return nil, invalidURL("user", "", "Consul knows tokens, no users", "use token, token-file or token-env")
	}
	opts, err := options(u)
	if err != nil {
		return nil, err
	}
	client, tr, err := dial(u)
	if err != nil {
		return nil, err
	}
	r := newRegistry(client, u.String(), opts)
	r.transport = tr
	return r, nil
}

func options(u *adsum.URL) (Options, error) {
	opts := Options{Tags: u.Query["tag"], Datacenter: u.Query.Get("datacenter")}
	var interval, timeout time.Duration
	for key, target := range map[string]*time.Duration{
		"max-stale": &opts.MaxStale, "deregister-after": &opts.DeregisterAfter, "timeout": &opts.Timeout, "heartbeat": &opts.Heartbeat,
		"check-interval": &interval, "check-timeout": &timeout,
	} {
		var err error
		if *target, err = duration(u, key); err != nil {
			return opts, err
		}
	}
	var err error
	if opts.PassingOnly, err = boolean(u, "passing"); err != nil {
		return opts, err
	}
	if text := u.Query.Get("check"); text != "" {
		opts.Check, err = CheckURL(text, interval, timeout)
		return opts, err
	}
	if interval != 0 || timeout != 0 {
		return opts, invalidURL("check", "", "its interval or timeout is given without it", "add check=http:/healthz or the like")
	}
	return opts, nil
}

// dial makes a client that connects when it is first used.
func dial(u *adsum.URL) (*api.Client, *transport, error) {
	timeout, err := duration(u, "dial-timeout")
	if err != nil {
		return nil, nil, err
	}
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	t, err := newTrust(u)
	if err != nil {
		return nil, nil, err
	}
	token, err := newToken(u)
	if err != nil {
		return nil, nil, err
	}
	scheme, port := "http", "8500"
	if t != nil {
		scheme, port = "https", "8501"
	}
	agents := withPorts(u.Hosts, port)
	tr := newTransport(agents, t, token, timeout)
	client, err := api.NewClient(&api.Config{
		Address: agents[0], Scheme: scheme, HttpClient: &http.Client{Transport: tr},
		Namespace: u.Query.Get("namespace"), Partition: u.Query.Get("partition"),
	})
	if err != nil {
		return nil, nil, invalidURL("environment", "", err.Error(), "look at the CONSUL_… variables")
	}
	return client, tr, nil
}

func withPorts(hosts []string, port string) []string {
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1"}
	}
	with := make([]string, len(hosts))
	for i, host := range hosts {
		with[i] = host
		if _, _, err := net.SplitHostPort(host); err != nil {
			with[i] = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
	}
	return with
}

// newToken returns what is asked for the token before every request.
func newToken(u *adsum.URL) (func() (string, error), error) {
	token, file, env := u.Query.Get("token"), u.Query.Get("token-file"), u.Query.Get("token-env")
	given := 0
	for _, text := range []string{token, file, env} {
		if text != "" {
			given++
		}
	}
	if given > 1 {
		return nil, invalidURL("token", "", "it is given more than once", "use one of token, token-file=FILE and token-env=VARIABLE")
	}
	return func() (string, error) {
		switch {
		case file != "":
			text, err := os.ReadFile(file)
			return strings.TrimSpace(string(text)), err
		case env != "":
			text, ok := os.LookupEnv(env)
			if !ok {
				return "", fmt.Errorf("the environment variable %s is not set", env)
			}
			return text, nil
		}
		return token, nil
	}, nil
}

// newTrust returns nil if the URL does not ask for TLS.
func newTrust(u *adsum.URL) (*trust, error) {
	q := u.Query
	t := &trust{caFile: q.Get("ca-file"), certFile: q.Get("cert-file"), keyFile: q.Get("key-file"), serverName: q.Get("server-name")}
	implied := *t != trust{}
	wanted, err := boolean(u, "tls")
	if err != nil {
		return nil, err
	}
	switch {
	case q.Get("tls") != "" && !wanted && implied:
		return nil, invalidURL("tls", q.Get("tls"), "other options ask for TLS", "use tls=true, or leave those out")
	case (t.certFile == "") != (t.keyFile == ""):
		return nil, invalidURL("cert-file", "", "a certificate and its key belong together", "give both cert-file and key-file")
	case !wanted && !implied:
		return nil, nil
	}
	return t, nil
}

func boolean(u *adsum.URL, key string) (bool, error) {
	text := u.Query.Get(key)
	if text == "" {
		return false, nil
	}
	is, err := strconv.ParseBool(text)
	if err != nil {
		return false, invalidURL(key, text, "it is neither true nor false", "use "+key+"=true")
	}
	return is, nil
}

func duration(u *adsum.URL, key string) (time.Duration, error) {
	text := u.Query.Get(key)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, invalidURL(key, text, "it is no positive duration", "write it like 5s or 500ms")
	}
	return d, nil
}

func invalidURL(field, value, problem, fix string) error {
	if value != "" {
		value = strconv.Quote(value)
	}
	return &adsum.InvalidError{Field: "registry URL (consul://…): " + field, Value: value, Problem: problem, Fix: fix}
}
