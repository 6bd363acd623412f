// Package test runs adsum against real servers.
package test
