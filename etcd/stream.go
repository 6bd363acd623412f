package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// stream is one watch stream on the wire, over several prefixes.
//
// It stands below clientv3.Watcher on purpose. That one resumes a broken
// stream by itself, from the revision it knows, on whatever answers: on a
// registry that was wiped or restored meanwhile it stays silent, or skips what
// was written before its revision. Here a broken stream is an error, and the
// next one begins with a full listing.
type stream struct {
	wire      pb.Watch_WatchClient
	since     int64                  // events up to this revision are left out
	responses chan *pb.WatchResponse // closed when the stream ended
	err       error                  // why; valid once responses is closed
	cancel    context.CancelFunc
}

// keyRange is one key, or with an end all keys from it up to that.
type keyRange struct{ key, end string }

func prefixRange(prefix string) keyRange {
	return keyRange{prefix, clientv3.GetPrefixRangeEnd(prefix)}
}

// openStream watches the ranges for what happens after a revision. It ends
// with ctx or with close.
//
// The server is asked for that revision too: one that is asked for events of
// the future only answers no progress request before there are any.
func (r *Registry) openStream(ctx context.Context, since int64, ranges ...keyRange) (*stream, error) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	wire, err := pb.NewWatchClient(r.client.ActiveConnection()).Watch(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	for _, r := range ranges {
		create := &pb.WatchCreateRequest{Key: []byte(r.key), RangeEnd: []byte(r.end), StartRevision: since}
		err := wire.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}})
		if err != nil {
			_, err = wire.Recv() // Send only says EOF; Recv says why
			cancel()
			return nil, err
		}
	}
	s := &stream{wire: wire, since: since, responses: make(chan *pb.WatchResponse, 16), cancel: cancel}
	go s.receive(ctx)
	return s, nil
}

func (s *stream) receive(ctx context.Context) {
	defer close(s.responses)
	for {
		response, err := s.wire.Recv()
		if err == nil && (response.Canceled || response.CompactRevision != 0) {
			err = watchCanceled(response.CancelReason, response.CompactRevision)
		}
		if err == nil && response.Fragment {
			err = errors.New("the server split an answer, which was not asked for")
		}
		if err != nil {
			s.err = err
			return
		}
		if len(response.Events) > 0 {
			known := func(e *mvccpb.Event) bool { return e.Kv.ModRevision <= s.since }
			response.Events = slices.DeleteFunc(response.Events, known)
			if len(response.Events) == 0 {
				continue // or it would pass for the answer to a progress request
			}
		}
		select {
		case s.responses <- response:
		case <-ctx.Done():
			s.err = ctx.Err()
			return
		}
	}
}

// askProgress asks the server to say how far this stream is. It answers, with
// a response for which isProgress holds, once every event up to the revision
// it names was sent, and not at all while it is behind.
func (s *stream) askProgress() error {
	err := s.wire.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}})
	if err != nil {
		return fmt.Errorf("the stream does not take requests any more: %w", err)
	}
	return nil
}

func isProgress(response *pb.WatchResponse) bool {
	return len(response.Events) == 0 && !response.Created && !response.Canceled && response.CompactRevision == 0
}

// close ends the stream and waits until nothing of it is left.
func (s *stream) close() {
	s.cancel()
	for range s.responses { // until receive closed it
	}
}
