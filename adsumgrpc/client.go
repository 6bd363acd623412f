package adsumgrpc

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/adsum-go/adsum"
)

// Scheme is the scheme of the targets that [DialOptions] make resolvable:
// adsum:///SERVICE.
const Scheme = "adsum"

// NewClient makes a connection to all copies of a service. It does not block,
// and needs neither the registry nor any copy to be there; it begins to look
// for them at once. Close the connection when done; dir stays open.
//
// It fails with [adsum.ErrInvalid] for a name that no service can have, and
// with gRPC's own errors, for one when opts name no transport credentials.
func NewClient(dir *adsum.Directory, service string, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	if err := adsum.ValidateService(service); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient(Scheme+":///"+service, DialOptions(dir, opts...)...)
	if err != nil {
		return nil, err
	}
	conn.Connect()
	return conn, nil
}

// DialOptions returns what [grpc.NewClient] needs to call adsum:///SERVICE,
// followed by those of opts that are gRPC's own. The result may serve any
// number of connections.
//
// Among it is a default service config. Another one that is given after it
// replaces it, and must then name the balancer [BalancerName]; prefer
// [WithServiceConfig], which adds to it. Copies are called directly, never
// through an HTTP proxy from the environment.
func DialOptions(dir *adsum.Directory, opts ...grpc.DialOption) []grpc.DialOption {
	s, others := newSettings(dir, opts)
	if s.triesAgain() {
		others = append(others, grpc.WithDisableRetry())
	}
	return append([]grpc.DialOption{
		grpc.WithResolvers(&builder{s}),
		grpc.WithDefaultServiceConfig(s.serviceConfig),
		grpc.WithNoProxy(),
		grpc.WithConnectParams(connectParams),
		grpc.WithChainUnaryInterceptor(s.unary),
		grpc.WithChainStreamInterceptor(s.stream),
	}, others...)
}

// connectParams are gRPC's own, but for the longest wait between two attempts
// to connect, which is two minutes there: copies that the registry names are
// meant to be there, and one that was restarted should not have to wait.
var connectParams = grpc.ConnectParams{
	Backoff: backoff.Config{
		BaseDelay:  backoff.DefaultConfig.BaseDelay,
		Multiplier: backoff.DefaultConfig.Multiplier,
		Jitter:     backoff.DefaultConfig.Jitter,
		MaxDelay:   10 * time.Second,
	},
	MinConnectTimeout: 5 * time.Second,
}
