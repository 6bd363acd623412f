// Protogen turns .proto files into Go code beside them, with the compiler and
// the plugins this module pins: no protoc to install, the same output
// everywhere.
//
//	protogen [-check] DIR
//
// DIR is the import root. Every .proto file below it is generated, or, with
// -check, compared with what is there. The plugins protoc-gen-go and
// protoc-gen-go-grpc are taken from the folder protogen itself lies in.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	check := flag.Bool("check", false, "change nothing; fail if a generated file is out of date")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: protogen [-check] DIR")
		os.Exit(2)
	}
	deliver := write
	if *check {
		deliver = compare
	}
	if err := run(flag.Arg(0), deliver); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(root string, deliver func(path, content string) error) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	request, err := compile(root)
	if err != nil {
		return err
	}
	if len(request.FileToGenerate) == 0 {
		return nil
	}
	for _, name := range plugins {
		files, err := generate(filepath.Join(filepath.Dir(self), name), request)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, file := range files {
			if err := deliver(filepath.Join(root, file.GetName()), file.GetContent()); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(path, content string) error {
	return os.WriteFile(path, []byte(content), 0o644)
}

func compare(path, content string) error {
	if found, err := os.ReadFile(path); err != nil || string(found) != content {
		return fmt.Errorf("%s is out of date: run make generate", path)
	}
	return nil
}

// compile parses every .proto file below root and makes the request that
// protoc would send to a plugin: all files, dependencies first.
func compile(root string) (*pluginpb.CodeGeneratorRequest, error) {
	names, err := protoFiles(root)
	if err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: names,
		Parameter:      proto.String("paths=source_relative"),
	}
	seen := map[string]bool{}
	for _, file := range files {
		request.ProtoFile = appendWithImports(request.ProtoFile, file, seen)
	}
	return request, nil
}

func protoFiles(root string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".proto":
			return nil
		}
		name, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}

func appendWithImports(list []*descriptorpb.FileDescriptorProto, file protoreflect.FileDescriptor, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[file.Path()] {
		return list
	}
	seen[file.Path()] = true
	imports := file.Imports()
	for i := range imports.Len() {
		list = appendWithImports(list, imports.Get(i).FileDescriptor, seen)
	}
	return append(list, descriptor(file))
}

// descriptor keeps the comments of our own files, which a plain
// protodesc.ToFileDescriptorProto would drop.
func descriptor(file protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	if own, ok := file.(interface {
		FileDescriptorProto() *descriptorpb.FileDescriptorProto
	}); ok {
		return own.FileDescriptorProto()
	}
	return protodesc.ToFileDescriptorProto(file)
}

// generate speaks the plugin protocol: a request on stdin, a response on
// stdout.
func generate(plugin string, request *pluginpb.CodeGeneratorRequest) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return nil, err
	}
	if response.GetError() != "" {
		return nil, errors.New(response.GetError())
	}
	return response.GetFile(), nil
}
