// Package memory is a registry inside the program: complete, deterministic,
// and able to fail on command. Tests, examples and benchmarks use it, and
// programs that have no registry yet.
//
// A [Server] holds the records; every [Registry] is one client of it, with a
// connection of its own that can be cut or frozen, as in
//
//	server := memory.NewServer()
//	a, b := server.Client(), server.Client()
//	a.Cut() // b goes on
package memory
