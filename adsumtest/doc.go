// Package adsumtest holds what tests of adsum need, and tests of programs and
// drivers built on it: the conformance suite that every driver passes, a
// proxy that injects network faults, processes that can be killed, and a
// check for goroutines left behind.
//
// It requires nothing beyond the standard library.
package adsumtest
