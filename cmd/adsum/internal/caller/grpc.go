package caller

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
)

type grpcCaller struct {
	Config
	conn     *grpc.ClientConn
	method   *method
	metadata metadata.MD
	requests []*dynamicpb.Message
}

// GRPC makes a caller of one method, package.Service/Method, as described by
// the .proto files, or else, by reflection, by one of the copies, which is
// asked within ctx.
func GRPC(ctx context.Context, dir *adsum.Directory, config Config, name string, files ProtoFiles) (Caller, error) {
	c := &grpcCaller{Config: config, metadata: metadata.MD{}}
	err := eachHeader(config.Headers, func(name, value string) { c.metadata.Append(name, value) })
	if err != nil {
		return nil, err
	}
	if c.method, err = c.find(ctx, dir, name, files); err != nil {
		return nil, err
	}
	if c.requests, err = c.method.requests(config.Body); err != nil {
		return nil, err
	}
	options := append(c.dialOptions(), adsumgrpc.WithObserver(config.Observer))
	if config.Idempotent || c.method.idempotent() {
		options = append(options, adsumgrpc.Idempotent(c.method.path))
	}
	c.conn, err = adsumgrpc.NewClient(dir, config.Service, options...)
	return c, err
}

func (c *grpcCaller) find(ctx context.Context, dir *adsum.Directory, name string, files ProtoFiles) (*method, error) {
	if len(files.Names) > 0 {
		return files.find(name)
	}
	// A connection of its own: what a method says of retries has to be known
	// before the one that calls it is made.
	conn, err := adsumgrpc.NewClient(dir, c.Service, c.dialOptions()...)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return reflected(c.outgoing(ctx), conn, name)
}

func (c *grpcCaller) dialOptions() []grpc.DialOption {
	secured := insecure.NewCredentials()
	if c.TLS != nil {
		secured = credentials.NewTLS(c.TLS)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(secured)}
	if c.Live != nil {
		options = append(options, adsumgrpc.WithConfig(c.Live))
	} else {
		options = append(options, adsumgrpc.WithPolicy(c.Policy), adsumgrpc.WithRetry(c.Retry), adsumgrpc.WithHedge(c.Hedge))
	}
	if c.ServerName != "" {
		options = append(options, grpc.WithAuthority(c.ServerName))
	}
	return options
}

// outgoing is the context of a call, with its headers and its key.
func (c *grpcCaller) outgoing(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(c.context(ctx), c.metadata)
}

func (c *grpcCaller) Connect(ctx context.Context) error { return adsumgrpc.WaitConnected(ctx, c.conn) }

func (c *grpcCaller) Close() error { return c.conn.Close() }

func (c *grpcCaller) Call(ctx context.Context) Answer {
	start := time.Now()
	ctx, cancel := context.WithCancel(c.outgoing(ctx))
	defer cancel()
	answer := Answer{Streams: c.method.descriptor.IsStreamingServer()}
	if c.method.streams() {
		answer.Err = c.stream(ctx, &answer)
	} else {
		answer.Err = c.unary(ctx, &answer)
	}
	answer.Err = outOfTime(ctx, answer.Err)
	answer.Took = time.Since(start)
	if answer.Copy.ID != "" || answer.Err == nil {
		answer.Status = status.Code(answer.Err).String()
	}
	return answer
}

// outOfTime is the error of a call whose time is up. The server's clock runs out,
// too, and when it is heard first it may say that the call was cancelled.
func outOfTime(ctx context.Context, err error) error {
	deadline, limited := ctx.Deadline()
	if limited && status.Code(err) == codes.Canceled && !time.Now().Before(deadline) {
		return status.Error(codes.DeadlineExceeded, status.Convert(err).Message())
	}
	return err
}

func (c *grpcCaller) unary(ctx context.Context, answer *Answer) error {
	reply := c.method.reply()
	if err := c.conn.Invoke(ctx, c.method.path, c.requests[0], reply, adsumgrpc.Answered(&answer.Copy)); err != nil {
		return err
	}
	return c.keep(answer, reply)
}

// stream sends all requests while it receives: either side of a stream may
// wait for the other.
func (c *grpcCaller) stream(ctx context.Context, answer *Answer) error {
	stream, err := c.conn.NewStream(ctx, c.method.desc(), c.method.path, adsumgrpc.Answered(&answer.Copy))
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- c.send(stream) }()
	for {
		reply := c.method.reply()
		err := stream.RecvMsg(reply)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.blame(err, sent)
		}
		if err := c.keep(answer, reply); err != nil {
			return err
		}
		if !c.method.descriptor.IsStreamingServer() {
			return nil
		}
	}
}

func (c *grpcCaller) send(stream grpc.ClientStream) error {
	for _, request := range c.requests {
		if err := stream.SendMsg(request); err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

// blame prefers what went wrong here to what came of it. That the stream has
// ended (io.EOF) is no news: why is what receiving said.
func (c *grpcCaller) blame(received error, sent <-chan error) error {
	select {
	case err := <-sent:
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	default:
	}
	return received
}

func (c *grpcCaller) keep(answer *Answer, reply *dynamicpb.Message) error {
	if c.Discard {
		return nil
	}
	text, err := c.method.json(reply)
	if err != nil {
		return status.Errorf(codes.Internal, "show the answer as JSON: %v", err)
	}
	answer.Messages = append(answer.Messages, text)
	return nil
}
