package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Open opens the registry that a URL names:
//
//	etcd://user:password@host:2379,host2:2379/services?codec=naming
//
// It does no I/O: the registry need not be up. Hosts without a port get 2379,
// none at all 127.0.0.1:2379. The path is [Options.Base]. The options are
//
//	codec          how records are written: naming (default), addr, kratos, kitex
//	namespace      put in front of every key as it is
//	user           the user's name, if not in front of the host
//	password-file  a file with the password, read for every login
//	password-env   an environment variable with the password
//	tls            true to use TLS; implied by the next four
//	ca-file        PEM certificates to trust instead of the system's
//	cert-file      our PEM certificate, for mutual TLS
//	key-file       its key
//	server-name    the name in the server's certificate, if not the host's
//	dial-timeout   how long one connection attempt may take, default 5s
//	timeout        [Options.Timeout], default 5s
//	heartbeat      [Options.Heartbeat], default 5s
//
// The files are read anew for every connection. Errors are [adsum.ErrInvalid].
func Open(rawURL string) (adsum.Registry, error) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "http" || u.Scheme == "https" { // as etcd's own tools have it
		return nil, invalidURL("scheme", u.Scheme, "a registry's URL names the registry", "write it like etcd://127.0.0.1:2379/services, with ?tls=true for https")
	}
	if err := u.Known("codec", "namespace", "user", "password-file", "password-env", "tls", "ca-file", "cert-file", "key-file",
		"server-name", "dial-timeout", "timeout", "heartbeat"); err != nil {
		return nil, err
	}
	opts := Options{Base: u.Path, Namespace: u.Query.Get("namespace"), Format: codec.Format(u.Query.Get("codec"))}
	if opts.Timeout, err = duration(u, "timeout"); err != nil {
		return nil, err
	}
	if opts.Heartbeat, err = duration(u, "heartbeat"); err != nil {
		return nil, err
	}
	cs := &conns{timeout: cmp.Or(opts.Timeout, defaultTimeout), open: map[*conn]struct{}{}}
	client, t, err := dial(u, cs)
	if err != nil {
		return nil, err
	}
	r, err := newRegistry(client, u.String(), opts)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	r.owned, r.trust, r.conns = true, t, cs
	return r, nil
}

// dial makes a client that connects when it is first used.
func dial(u *adsum.URL, cs *conns) (*clientv3.Client, *trust, error) {
	timeout, err := duration(u, "dial-timeout")
	if err != nil {
		return nil, nil, err
	}
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	// Reconnecting must not wait for gRPC's two minutes after a long outage.
	// The interceptors replace clientv3's.
	connect := grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
		MinConnectTimeout: timeout,
	}
	options := []grpc.DialOption{
		grpc.WithConnectParams(connect), grpc.WithContextDialer(cs.dial),
		grpc.WithUnaryInterceptor(failFast), grpc.WithStreamInterceptor(nil), grpc.WithChainUnaryInterceptor(cs.unary),
	}
	l, err := newLogin(u, timeout)
	if err != nil {
		return nil, nil, err
	}
	if l != nil {
		options = append(options, grpc.WithChainUnaryInterceptor(l.unary), grpc.WithStreamInterceptor(l.stream))
	}
	t, err := newTrust(u)
	if err != nil {
		return nil, nil, err
	}
	if t != nil {
		options = append(options, grpc.WithTransportCredentials(t))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            endpoints(u.Hosts),
		DialTimeout:          timeout,
		DialKeepAliveTime:    10 * time.Second, // the least that gRPC takes
		DialKeepAliveTimeout: 5 * time.Second,
		DialOptions:          options,
		Logger:               zap.NewNop(),
	})
	if err != nil {
		return nil, nil, invalidURL("hosts", "", err.Error(), "list hosts as host:port,host:port")
	}
	if t == nil {
		t = &trust{}
	}
	return client, t, nil
}

// failFast makes a request fail with the reason when there is no connection.
// clientv3 would wait and try again until the deadline, and then tell only of
// the deadline; here that is the business of those who call the driver.
func failFast(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(ctx, method, req, reply, cc, append(slices.Clip(opts), grpc.WaitForReady(false))...)
}

func endpoints(hosts []string) []string {
	if len(hosts) == 0 {
		return []string{"127.0.0.1:2379"}
	}
	with := make([]string, len(hosts))
	for i, host := range hosts {
		with[i] = host
		if _, _, err := net.SplitHostPort(host); err != nil {
			with[i] = net.JoinHostPort(strings.Trim(host, "[]"), "2379")
		}
	}
	return with
}

// newLogin returns nil if the URL names no user.
func newLogin(u *adsum.URL, timeout time.Duration) (*login, error) {
	user := u.Query.Get("user")
	password, inURL := "", false
	if u.User != nil {
		user = u.User.Username()
		password, inURL = u.User.Password()
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
		return nil, nil
	case user == "":
		return nil, invalidURL("user", "", "there is a password and no user", "add user=NAME")
	case given != 1:
		return nil, invalidURL("password", "", "a user needs exactly one password",
			"use one of user:password@host, password-file=FILE and password-env=VARIABLE")
	}
	l := &login{user: user, timeout: timeout, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	l.password = func() (string, error) {
		switch {
		case file != "":
			text, err := os.ReadFile(file)
			return strings.TrimRight(string(text), "\r\n"), err
		case env != "":
			text, ok := os.LookupEnv(env)
			if !ok {
				return "", fmt.Errorf("the environment variable %s for the password is not set", env)
			}
			return text, nil
		}
		return password, nil
	}
	return l, nil
}

// newTrust returns nil if the URL does not ask for TLS. Files that are
// missing or broken are found here, and when they go bad later, by Watch and
// Register.
func newTrust(u *adsum.URL) (*trust, error) {
	q := u.Query
	t := &trust{caFile: q.Get("ca-file"), certFile: q.Get("cert-file"), keyFile: q.Get("key-file"), serverName: q.Get("server-name")}
	implied := t.caFile != "" || t.certFile != "" || t.keyFile != "" || t.serverName != ""
	if on := q.Get("tls"); on != "" {
		is, err := strconv.ParseBool(on)
		if err != nil {
			return nil, invalidURL("tls", on, "it is neither true nor false", "use tls=true")
		}
		if !is && implied {
			return nil, invalidURL("tls", on, "other options ask for TLS", "use tls=true, or leave those out")
		}
		implied = is
	}
	if !implied {
		return nil, nil
	}
	if (t.certFile == "") != (t.keyFile == "") {
		return nil, invalidURL("cert-file", "", "a certificate and its key belong together", "give both cert-file and key-file")
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
		return 0, invalidURL(key, text, "it is no positive duration", "write it like 5s or 500ms")
	}
	return d, nil
}

func invalidURL(field, value, problem, fix string) error {
	if value != "" {
		value = strconv.Quote(value)
	}
	return &adsum.InvalidError{Field: "registry URL (etcd://…): " + field, Value: value, Problem: problem, Fix: fix}
}
