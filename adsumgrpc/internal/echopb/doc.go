// Package echopb is the generated code of echo.proto, for tests.
package echopb

//go:generate make -C ../../.. generate
