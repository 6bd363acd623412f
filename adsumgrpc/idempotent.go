package adsumgrpc

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// isIdempotent reports whether a method, /package.Service/Method, may be
// called more than once: because an option says so, or its descriptor.
func (s *settings) isIdempotent(method string) bool {
	if s.idempotent[method] {
		return true
	}
	if found, ok := s.declared.Load(method); ok {
		return found.(bool)
	}
	idempotent, found := declaredIdempotent(method)
	if found { // what is not is not remembered: a proxy may be sent any name
		s.declared.Store(method, idempotent)
	}
	return idempotent
}

// declaredIdempotent reads a method's idempotency_level from the descriptors
// that generated code brings along.
func declaredIdempotent(method string) (idempotent, found bool) {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return false, false
	}
	options, ok := descriptor.Options().(*descriptorpb.MethodOptions)
	return ok && options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN, true
}
