package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/adsum-go/adsum"
)

// login gives every request the token of one user. It stands in for
// clientv3's own: that one reads the password once, authenticates again for
// every stream, which costs the server a tenth of a second of hashing, and
// waits for the server when the client is made.
type login struct {
	user     string
	password func() (string, error) // asked anew for every token

	timeout time.Duration // of one attempt

	turn  chan struct{} // holds a token while nobody authenticates
	mu    sync.Mutex
	known bool   // guarded by mu
	token string // "" while the server has authentication switched off; guarded by mu
}

const authenticate = "/etcdserverpb.Auth/Authenticate"

func (l *login) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if method == authenticate {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	for again := true; ; again = false {
		token, err := l.get(ctx, cc)
		if err != nil {
			return err
		}
		err = invoke(withToken(ctx, token), method, req, reply, cc, opts...)
		if !staleToken(err) {
			return err
		}
		l.forget(token)
		if !again {
			return err
		}
	}
}

// stream cannot try again, as an old token shows only when the server
// answers; the caller does, and finds a new token.
func (l *login) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	token, err := l.get(ctx, cc)
	if err != nil {
		return nil, err
	}
	return open(withToken(ctx, token), desc, cc, method, opts...)
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, rpctypes.TokenFieldNameGRPC, token)
}

func (l *login) current() (token string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.token, l.known
}

// get returns the token, authenticating if there is none.
func (l *login) get(ctx context.Context, cc *grpc.ClientConn) (string, error) {
	if token, known := l.current(); known {
		return token, nil
	}
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token, known := l.current(); known { // somebody else just did
		return token, nil
	}
	password, err := l.password()
	if err != nil {
		return "", fmt.Errorf("%w: %w", adsum.ErrDenied, err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout) // a stream's context has no deadline
	defer cancel()
	answer, err := pb.NewAuthClient(cc).Authenticate(ctx, &pb.AuthenticateRequest{Name: l.user, Password: password})
	if err != nil && rpctypes.Error(err) != rpctypes.ErrAuthNotEnabled {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token, l.known = answer.GetToken(), true
	return l.token, nil
}

// forget drops a token that the server does not take any more.
func (l *login) forget(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == token {
		l.token, l.known = "", false
	}
}

// staleToken covers a token that ran out, one from before a change of users
// or a wipe, and none at all since authentication was switched on.
func staleToken(err error) bool {
	switch rpctypes.Error(err) {
	case rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty:
		return true
	}
	return false
}
