package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"
)

var errDisconnected = errors.New("the connection was lost")

// request runs one call of the library, which knows no contexts. When it is
// given up, whether the server did it is not known. A password that was
// rotated is tried before a request counts as denied.
func request[T any](ctx context.Context, s *session, call func(*zk.Conn) (T, error)) (T, error) {
	value, err := requestOnce(ctx, s, call)
	if errors.Is(err, zk.ErrNoAuth) && s.login.renewed(ctx, s) {
		return requestOnce(ctx, s, call)
	}
	return value, err
}

func requestOnce[T any](ctx context.Context, s *session, call func(*zk.Conn) (T, error)) (none T, _ error) {
	s.mu.Lock()
	up, down := s.up, s.down
	s.mu.Unlock()
	if !up {
		return none, s.disconnection()
	}
	return waitFor(ctx, s, down, call)
}

// waitFor calls the library in a goroutine of its own, which ends at the
// latest with the session.
func waitFor[T any](ctx context.Context, s *session, down <-chan struct{}, call func(*zk.Conn) (T, error)) (none T, _ error) {
	limit := time.NewTimer(s.r.opts.Timeout)
	defer limit.Stop()
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		value, err := call(s.conn)
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		if errors.Is(a.err, zk.ErrConnectionClosed) || errors.Is(a.err, zk.ErrClosing) || errors.Is(a.err, zk.ErrNoServer) {
			return none, s.disconnection()
		}
		return a.value, a.err
	case <-down:
		return none, s.disconnection()
	case <-s.ctx.Done():
		return none, context.Cause(s.ctx)
	case <-ctx.Done():
		return none, fmt.Errorf("no answer: %w", ctx.Err())
	case <-limit.C:
		s.drop(down)
		return none, fmt.Errorf("no answer within %v: %w", s.r.opts.Timeout, context.DeadlineExceeded)
	}
}

// drop breaks a connection on which nothing is answered, so that another
// server is tried. The library would wait for two thirds of the session.
func (s *session) drop(down <-chan struct{}) {
	s.mu.Lock()
	w, same := s.wire, s.up && s.down == down
	s.mu.Unlock()
	if same {
		_ = w.Close() // the library reads the end of it
	}
}

// disconnection says what is known of a connection that is not there.
func (s *session) disconnection() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return fmt.Errorf("%w: %w", errDisconnected, s.why)
	}
	return errDisconnected
}

// node is what one node holds.
type node struct {
	data []byte
	stat zk.Stat
}

// get reads a node; nil if there is none.
func (s *session) get(ctx context.Context, path string) (*node, error) {
	return found(request(ctx, s, func(c *zk.Conn) (*node, error) {
		data, stat, err := c.Get(path)
		if err != nil {
			return nil, err
		}
		return &node{data, *stat}, nil
	}))
}

// found makes nil of a node that is not there.
func found[T any](value *T, err error) (*T, error) {
	if errors.Is(err, zk.ErrNoNode) {
		return nil, nil
	}
	return value, err
}

// sync brings the server up to what the leader committed.
func (s *session) sync(ctx context.Context, path string) error {
	_, err := request(ctx, s, func(c *zk.Conn) (string, error) { return c.Sync(path) })
	return err
}

// multi runs all of the operations, or none.
func (s *session) multi(ctx context.Context, ops []any) error {
	_, err := request(ctx, s, func(c *zk.Conn) ([]zk.MultiResponse, error) { return c.Multi(ops...) })
	return err
}
