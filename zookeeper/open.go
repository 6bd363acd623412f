package zookeeper

import (
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Open opens the registry that a URL names:
//
//	zk://user:password@host:2181,host2:2181/services?codec=curator
//
// It does no I/O: the ensemble need not be up. Hosts without a port get 2181,
// none at all 127.0.0.1:2181. The path is [Options.Base]. The options are
//
//	codec          how records are written: curator (default), spring, addr, kratos
//	chroot         the path that stands for the root, such as /team
//	acl            [Options.ACL] as zkCli takes it: auth::cdrwa,world:anyone:r
//	user           the digest user's name, if not in front of the host
//	password-file  a file with the password, read for every session
//	password-env   an environment variable with the password
//	tls            true to use TLS; implied by the next four
//	ca-file        PEM certificates to trust instead of the system's
//	cert-file      our PEM certificate, for mutual TLS
//	key-file       its key
//	server-name    the name in the server's certificate, if not the host's
//	dial-timeout   [Options.DialTimeout], default 2s
//	timeout        [Options.Timeout], default 5s
//	heartbeat      [Options.Heartbeat], default 5s
//
// The files are read anew for every connection. Errors are [adsum.ErrInvalid].
func Open(rawURL string) (adsum.Registry, error) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if err := u.Known("codec", "chroot", "acl", "user", "password-file", "password-env", "tls", "ca-file", "cert-file", "key-file",
		"server-name", "dial-timeout", "timeout", "heartbeat"); err != nil {
		return nil, err
	}
	opts := Options{Base: u.Path, Chroot: u.Query.Get("chroot"), Format: codec.Format(u.Query.Get("codec"))}
	if opts.Credentials, err = credentialsOf(u); err != nil {
		return nil, err
	}
	if acl := u.Query.Get("acl"); acl != "" {
		if opts.ACL, err = parseACL(acl); err != nil {
			return nil, err
		}
		u.Query.Set("acl", "***") // it may hold hashes of passwords
	}
	for key, target := range map[string]*time.Duration{"dial-timeout": &opts.DialTimeout, "timeout": &opts.Timeout, "heartbeat": &opts.Heartbeat} {
		if *target, err = duration(u, key); err != nil {
			return nil, err
		}
	}
	t, err := trustOf(u)
	if err != nil {
		return nil, err
	}
	return newRegistry(u.Hosts, u.String(), t, opts)
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
