package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
)

// explain wraps what ZooKeeper answered into the errors of the contract,
// saying what was tried.
func (r *Registry) explain(tried string, err error) error {
	switch {
	case err == nil:
		return nil
	case r.ctx.Err() != nil:
		return fmt.Errorf("zookeeper: %s: %w", tried, adsum.ErrClosed)
	case denied(err) && !errors.Is(err, adsum.ErrDenied):
		return fmt.Errorf("zookeeper: %s: %w: %w", tried, adsum.ErrDenied, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("zookeeper: %s: no answer from %s: %w", tried, strings.Join(r.hosts, ", "), err)
	}
	return fmt.Errorf("zookeeper: %s: %w", tried, err)
}

// notAuthenticated is what a server answers that wants credentials from
// everybody; the library does not know the code.
const notAuthenticated = "unknown error: -124"

// denied covers a missing right as well as credentials that are wrong.
func denied(err error) bool {
	return errors.Is(err, adsum.ErrDenied) || errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthFailed) || errors.Is(err, zk.ErrInvalidACL) ||
		strings.Contains(err.Error(), notAuthenticated)
}

func invalidURL(field, value, problem, fix string) error {
	if value != "" {
		value = strconv.Quote(value)
	}
	return &adsum.InvalidError{Field: "registry URL (zk://…): " + field, Value: value, Problem: problem, Fix: fix}
}
