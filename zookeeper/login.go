package zookeeper

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
)

// Credentials are a user's for ZooKeeper's digest scheme.
type Credentials struct {
	User string
	// Password is asked for every session, and again when something is
	// denied, so that it can be rotated.
	Password func() (string, error)
}

func (c *Credentials) password() (string, error) {
	password, err := c.Password()
	if err != nil {
		return "", fmt.Errorf("%w: %w", adsum.ErrDenied, err)
	}
	return password, nil
}

// check finds a password that is missing before anything is dialled.
func (c *Credentials) check() error {
	if c == nil {
		return nil
	}
	_, err := c.password()
	return err
}

// login is how one session shows its credentials. A nil login has none.
type login struct {
	credentials *Credentials

	turn  chan struct{} // holds a token while nobody logs in
	mu    sync.Mutex
	shown string // the password added last; guarded by mu
	ready bool   // one was added; guarded by mu
}

func (r *Registry) newLogin() *login {
	if r.opts.Credentials == nil {
		return nil
	}
	l := &login{credentials: r.opts.Credentials, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

func (l *login) isReady() bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ready
}

// add shows the credentials, unless the password was shown already. The
// library shows them again on every later connection of the session.
func (l *login) add(ctx context.Context, s *session) error {
	_, err := l.addNew(ctx, s)
	return err
}

// renewed reports whether another password was shown just now.
func (l *login) renewed(ctx context.Context, s *session) bool {
	if l == nil {
		return false
	}
	added, err := l.addNew(ctx, s)
	return added && err == nil
}

func (l *login) addNew(ctx context.Context, s *session) (added bool, err error) {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	password, err := l.credentials.password()
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	known := l.ready && l.shown == password
	l.mu.Unlock()
	if known {
		return false, nil
	}
	_, err = waitFor(ctx, s, nil, func(c *zk.Conn) (struct{}, error) {
		return struct{}{}, c.AddAuth("digest", []byte(l.credentials.User+":"+password))
	})
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown, l.ready = password, true
	return true, nil
}

// credentialsOf returns nil if the URL names no user.
func credentialsOf(u *adsum.URL) (*Credentials, error) {
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
	case strings.Contains(user, ":"):
		return nil, invalidURL("user", "", "a user's name has no ':'", "use another name")
	case given != 1:
		return nil, invalidURL("password", "", "a user needs exactly one password",
			"use one of user:password@host, password-file=FILE and password-env=VARIABLE")
	}
	return &Credentials{User: user, Password: func() (string, error) {
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
	}}, nil
}
