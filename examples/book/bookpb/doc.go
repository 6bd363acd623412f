// Package bookpb is the generated code of book.proto.
package bookpb

//go:generate make -C ../../.. generate
