// Package bookpb is the generated code of book.proto.
package bookpb

//go:generate ./generate.sh
