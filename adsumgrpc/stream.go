package adsumgrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/adsum-go/adsum/lb"
)

// stream opens a stream. Where only the server streams and the call is safe to
// send again, the stream is opened again until its first message arrives.
func (s *settings) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c := s.newCall(ctx, method)
	c.pace = &pace{untold: desc.ClientStreams}
	end := s.begin(ctx, c, conn, method)
	openOnce := func() (grpc.ClientStream, error) {
		stream, err := open(c, desc, conn, method, end.opening(opts)...)
		c.report(opts)
		if err != nil {
			return nil, err
		}
		return c.watched(stream), nil
	}
	first, err := openOnce()
	if err != nil {
		err = c.unwrapping(s.explain(conn, err))
		end.release(err)
		return nil, err
	}
	end.release(nil)
	if desc.ClientStreams || !c.Idempotent {
		return first, nil
	}
	stream := &serverStream{call: c, retry: s.retryNow(), end: end, open: openOnce}
	// Timeouts would end the stream, not only its beginning.
	stream.retry.PerTry, stream.retry.Timeout = 0, 0
	stream.current.Store(&first)
	return stream, nil
}

// serverStream is a stream from the server that can still be had from another
// one, as long as no message of it was handed over. Like every stream, it may
// be sent to and received from by one goroutine each.
type serverStream struct {
	call  *call
	retry lb.Retry
	end   *streamEnd
	open  func() (grpc.ClientStream, error)

	current  atomic.Pointer[grpc.ClientStream]
	received bool

	sending sync.Mutex // of what follows; held while the next stream catches up
	request any        // what was sent
	sent    bool
	closed  bool // nothing more will be
}

func (s *serverStream) stream() grpc.ClientStream { return *s.current.Load() }

// RecvMsg receives the next message; the first one from whoever answers.
func (s *serverStream) RecvMsg(m any) error {
	if s.received {
		return s.stream().RecvMsg(m)
	}
	s.received = true
	s.end.hold()
	err := s.receiveFirst(m)
	s.end.release(err)
	return err
}

func (s *serverStream) receiveFirst(m any) error {
	first := s.stream().RecvMsg(m)
	if first == nil || errors.Is(first, io.EOF) || s.call.verdict(first).Safety == lb.Never {
		if s.retry.Budget != nil {
			s.retry.Budget.Call() // as Retry counts those that fail
		}
		return first
	}
	return s.receiveAgain(m, first)
}

// receiveAgain tries other endpoints after the one that failed.
func (s *serverStream) receiveAgain(m any, cause error) error {
	failed, known := s.call.Endpoint(), s.call.verdict(cause)
	s.call.Tried = append(s.call.Tried, failed)
	cause = fmt.Errorf("%v: %w", failed, cause)
	again, ended := false, false
	err := s.retry.Do(s.call, s.call.Call, func(context.Context) error {
		if !again { // the first try is what has failed already
			again = true
			return cause
		}
		err := s.begin(m)
		ended = errors.Is(err, io.EOF)
		if ended {
			return nil // an empty stream is an answer
		}
		return err
	}, func(err error) lb.Verdict {
		if err == cause {
			return known
		}
		return s.call.verdict(err)
	})
	if ended {
		return io.EOF
	}
	return err
}

// begin opens the stream once more, and receives its first message.
func (s *serverStream) begin(m any) error {
	s.call.trailer = nil
	stream, err := s.open()
	if err != nil {
		return err
	}
	if err := s.goOn(stream); err != nil {
		return err
	}
	return stream.RecvMsg(m)
}

// goOn sends what was sent before on the next stream, to which all that is yet to
// be sent goes.
func (s *serverStream) goOn(stream grpc.ClientStream) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.current.Store(&stream)
	if s.sent {
		// An error of sending is told by receiving.
		if err := stream.SendMsg(s.request); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if s.closed {
		return stream.CloseSend()
	}
	return nil
}

// SendMsg sends the one request.
func (s *serverStream) SendMsg(m any) error {
	s.sending.Lock()
	s.request, s.sent = m, true
	stream := s.stream()
	s.sending.Unlock()
	return stream.SendMsg(m)
}

// CloseSend ends the request.
func (s *serverStream) CloseSend() error {
	s.sending.Lock()
	s.closed = true
	stream := s.stream()
	s.sending.Unlock()
	return stream.CloseSend()
}

// Header waits for the headers of whoever answers now.
func (s *serverStream) Header() (metadata.MD, error) { return s.stream().Header() }

// Trailer returns the trailers of whoever answered last.
func (s *serverStream) Trailer() metadata.MD { return s.stream().Trailer() }

// Context is that of the stream as it is now.
func (s *serverStream) Context() context.Context { return s.stream().Context() }
