// Package bench holds the benchmarks that set this library beside those that
// people would pick instead: one pick, one change and a cold start here in
// memory, whole calls over loopback. The module is never released and is no
// part of the workspace, so that what the peers require reaches nobody.
//
// The benchmarks follow the names that benchstat understands:
//
//	go test -bench 'Pick/policy=weighted' -count 10 | benchstat -col /lib -
//
// The command in [github.com/adsum-go/adsum/bench/table] runs them all and
// prints tables of ratios.
package bench
