// Package simulation runs servers, clients and a failing registry through
// long histories in virtual time, and checks after every step what must
// always hold. It has nothing but tests.
//
// A seed decides what happens and when. The scheduling of goroutines is not
// seeded, so a failing seed replays its faults and not always its outcome;
// the printed trace is the history that failed.
package simulation
