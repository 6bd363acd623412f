// Package behaviour runs one table of scenarios over gRPC, HTTP and go-kit, on
// real connections: the same scenario must have the same result on all three,
// since one engine decides.
package behaviour
