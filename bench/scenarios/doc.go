// Package scenarios sets our engine beside the balancers of other libraries in
// ten situations, S1 to S10, in simulated traffic. Its test measures ours again
// and fails if a ratio got worse by more than 15 % than the one that is committed
// in results.json; with -write it measures everybody, and writes that file and
// docs/scenarios.md.
package scenarios
