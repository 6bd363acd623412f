package caller

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// method is a gRPC method whose messages are known only by their descriptors.
type method struct {
	descriptor protoreflect.MethodDescriptor
	path       string // as it goes over the wire: /package.Service/Method
	// types are those of the messages' files, for what is inside an Any.
	types *dynamicpb.Types
}

func newMethod(d protoreflect.MethodDescriptor) (*method, error) {
	files := new(protoregistry.Files)
	if err := registerAll(files, d.ParentFile()); err != nil {
		return nil, err
	}
	path := fmt.Sprintf("/%s/%s", d.Parent().FullName(), d.Name())
	return &method{d, path, dynamicpb.NewTypes(files)}, nil
}

// registerAll registers a file with everything it imports.
func registerAll(files *protoregistry.Files, file protoreflect.FileDescriptor) error {
	if _, err := files.FindFileByPath(file.Path()); err == nil {
		return nil
	}
	imports := file.Imports()
	for i := range imports.Len() {
		if err := registerAll(files, imports.Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return files.RegisterFile(file)
}

func (m *method) streams() bool {
	return m.descriptor.IsStreamingClient() || m.descriptor.IsStreamingServer()
}

func (m *method) desc() *grpc.StreamDesc {
	return &grpc.StreamDesc{
		StreamName:    string(m.descriptor.Name()),
		ClientStreams: m.descriptor.IsStreamingClient(),
		ServerStreams: m.descriptor.IsStreamingServer(),
	}
}

// idempotent tells what the method says of itself.
func (m *method) idempotent() bool {
	options, ok := m.descriptor.Options().(*descriptorpb.MethodOptions)
	return ok && options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}

func (m *method) reply() *dynamicpb.Message { return dynamicpb.NewMessage(m.descriptor.Output()) }

// requests reads the messages to send: JSON values, one after the other. A
// method that takes one message gets an empty one if there is none.
func (m *method) requests(body []byte) ([]*dynamicpb.Message, error) {
	var all []*dynamicpb.Message
	values := json.NewDecoder(bytes.NewReader(body))
	for {
		var value json.RawMessage
		err := values.Decode(&value)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: message %d is not JSON: %w", ErrRequest, len(all)+1, err)
		}
		message := dynamicpb.NewMessage(m.descriptor.Input())
		if err := (protojson.UnmarshalOptions{Resolver: m.types}).Unmarshal(value, message); err != nil {
			// protojson puts other spaces into its errors than others do.
			text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
			return nil, fmt.Errorf("%w: message %d is no %s: %s", ErrRequest, len(all)+1, m.descriptor.Input().FullName(), text)
		}
		all = append(all, message)
	}
	switch {
	case m.descriptor.IsStreamingClient():
	case len(all) == 0:
		all = append(all, dynamicpb.NewMessage(m.descriptor.Input()))
	case len(all) > 1:
		return nil, fmt.Errorf("%w: %s takes one message, not %d", ErrRequest, m.path, len(all))
	}
	return all, nil
}

// json shows a message on one line.
func (m *method) json(message *dynamicpb.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{Resolver: m.types}.Marshal(message)
	if err != nil {
		return nil, err
	}
	var line bytes.Buffer
	err = json.Compact(&line, text) // protojson's spaces differ from run to run
	return line.Bytes(), err
}
