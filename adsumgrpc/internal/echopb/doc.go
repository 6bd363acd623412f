// Package echopb is the generated code of echo.proto, for tests.
package echopb

//go:generate ./generate.sh
