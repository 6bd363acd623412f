package caller

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fullstorydev/grpcurl"
	"github.com/jhump/protoreflect/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/adsum-go/adsum"
)

// ErrNoReflection says that the copies do not describe themselves.
var ErrNoReflection = errors.New("the service does not offer reflection")

// ProtoFiles are where descriptors come from if not from the service itself.
type ProtoFiles struct {
	Names []string
	// Imports are the folders that names and imports are looked up in; the
	// files' own and the current one if empty.
	Imports []string
}

func (p ProtoFiles) find(name string) (*method, error) {
	folders := p.Imports
	if len(folders) == 0 {
		for _, name := range p.Names {
			folders = append(folders, filepath.Dir(name))
		}
		folders = append(folders, ".")
	}
	source, err := grpcurl.DescriptorSourceFromProtoFiles(folders, p.Names...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return findMethod(source, name)
}

// reflected asks the service itself. One stream to one copy answers all.
func reflected(ctx context.Context, conn grpc.ClientConnInterface, name string) (*method, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := grpcreflect.NewClientAuto(ctx, conn)
	defer client.Reset()
	m, err := findMethod(grpcurl.DescriptorSourceFromServer(ctx, client), name)
	if errors.Is(err, grpcurl.ErrReflectionNotSupported) {
		return nil, ErrNoReflection
	}
	return m, err
}

// findMethod finds package.Service/Method, or package.Service.Method.
func findMethod(source grpcurl.DescriptorSource, name string) (*method, error) {
	i := strings.LastIndexAny(name, "/.")
	if i <= 0 || i == len(name)-1 {
		return nil, fmt.Errorf("%w: method %q is not of the form package.Service/Method", ErrRequest, name)
	}
	service, err := findService(source, name[:i])
	if err != nil {
		return nil, err
	}
	methods := service.Methods()
	descriptor := methods.ByName(protoreflect.Name(name[i+1:]))
	if descriptor == nil {
		names := make([]string, methods.Len())
		for i := range names {
			names[i] = string(methods.Get(i).Name())
		}
		return nil, fmt.Errorf("%s has no method %q but %s: %w", name[:i], name[i+1:], strings.Join(names, ", "), adsum.ErrNotFound)
	}
	return newMethod(descriptor)
}

func findService(source grpcurl.DescriptorSource, name string) (protoreflect.ServiceDescriptor, error) {
	found, err := source.FindSymbol(name)
	if service, ok := found.(interface {
		UnwrapService() protoreflect.ServiceDescriptor
	}); ok && err == nil {
		return service.UnwrapService(), nil
	}
	if err != nil && !isNotFound(err) {
		return nil, err
	}
	names, err := source.ListServices()
	if err != nil {
		return nil, err
	}
	// Every server has those of gRPC itself.
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "grpc.") })
	slices.Sort(names)
	return nil, fmt.Errorf("there is no gRPC service %q but %s: %w", name, strings.Join(names, ", "), adsum.ErrNotFound)
}

// isNotFound knows the ways in which the sources say so: servers by a code,
// reflection by an error of its own, files by their text alone.
func isNotFound(err error) bool {
	return status.Code(err) == codes.NotFound || grpcreflect.IsElementNotFoundError(err) || strings.HasPrefix(err.Error(), "Symbol not found")
}
