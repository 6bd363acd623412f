package adsumtest

// conformanceCase is one demand on a driver.
type conformanceCase struct {
	number    int
	name      string
	run       func(*scene)
	registers bool   // only for a driver that can register
	alone     bool   // harms the server, or counts what others use too
	needs     []need // hooks of the harness
}

// need is a hook of the harness that a case cannot do without.
type need struct {
	name string
	met  func(*Harness) bool
}

var (
	needsServer       = need{"Server", func(h *Harness) bool { return h.Server != nil }}
	needsBackup       = need{"Backup", func(h *Harness) bool { return h.Backup != nil }}
	needsCompact      = need{"Compact", func(h *Harness) bool { return h.Compact != nil }}
	needsExpireLease  = need{"ExpireLease", func(h *Harness) bool { return h.ExpireLease != nil }}
	needsMalform      = need{"Malform", func(h *Harness) bool { return h.Malform != nil }}
	needsDenied       = need{"Denied", func(h *Harness) bool { return h.Denied != nil }}
	needsCredentials  = need{"Credentials", func(h *Harness) bool { return h.Credentials != nil }}
	needsTLS          = need{"TLS", func(h *Harness) bool { return h.TLS != nil }}
	needsClock        = need{"Clock", func(h *Harness) bool { return h.Clock != nil }}
	needsEndpointURLs = need{"Endpoints", func(h *Harness) bool { return len(h.Endpoints) > 0 }}
)

// crashIsGone does not apply to a registry that keeps the dead for ever.
var crashIsGone = conformanceCase{number: 13, name: "a crash is gone within the declared worst case", run: goneAfterCrash, registers: true}

// cases are all there is to pass, by number.
var cases = []conformanceCase{
	{number: 1, name: "the first snapshot is the complete current set", run: firstSnapshotIsComplete},
	{number: 2, name: "an unknown service is empty, no error, and stays watched", run: unknownServiceIsEmptyAndWatched},
	{number: 3, name: "what is registered is visible within the declared propagation", run: visibleWithinPropagation, registers: true},
	{number: 4, name: "an instance round-trips or is refused before I/O", run: instanceRoundTrips, registers: true},
	{number: 5, name: "a bad name or address fails before I/O", run: badInputFailsBeforeIO},
	{number: 6, name: "the same id twice is one instance with the latest value", run: sameIDTwiceIsOne, registers: true},
	{number: 7, name: "an update leaves no gap", run: updateLeavesNoGap, registers: true},
	{number: 8, name: "two ids at one address stay two", run: twoIDsAtOneAddressStayTwo},
	{number: 9, name: "failing hides and passing restores", run: failingHidesPassingRestores, registers: true},
	{number: 10, name: "draining and then passing restores", run: drainingThenPassingRestores, registers: true},
	{number: 11, name: "close removes promptly, and a second close is nil", run: closeRemovesPromptly, registers: true},
	{number: 12, name: "close works after the context of register ended", run: closeAfterContextEnded, registers: true},
	crashIsGone,
	{number: 14, name: "after a crash and restart with the same id there is exactly one, which outlives the old lease", run: restartOutlivesOldLease, registers: true},
	{number: 15, name: "a lease killed on the server is registered again", run: killedLeaseIsRegisteredAgain, registers: true, needs: []need{needsExpireLease}},
	{number: 16, name: "an own record deleted by another is restored", run: deletedRecordIsRestored, registers: true},
	{number: 17, name: "after a wipe all is registered again and watchers hear later changes", run: wipedRegistryIsFilledAndHeard, registers: true, alone: true, needs: []need{needsServer}},
	{number: 18, name: "a registry that goes back in time is followed", run: goingBackIsFollowed, alone: true, needs: []need{needsBackup}},
	{number: 19, name: "a compacted history loses no delete", run: compactionLosesNoDelete, alone: true, needs: []need{needsCompact}},
	{number: 20, name: "an outage shorter than the TTL makes no flap and no duplicate", run: shortOutageMakesNoFlap, alone: true, needs: []need{needsServer}},
	{number: 21, name: "in a longer outage the last snapshot stays, turns stale, and clears", run: longOutageKeepsTheSnapshot, alone: true, needs: []need{needsServer}},
	{number: 22, name: "a frozen registry is stale within the declared bound, and recovers", run: frozenRegistryIsStaleInTime, alone: true, needs: []need{needsServer}},
	{number: 23, name: "clients fail over among endpoints, the first one down at the start", run: failsOverAmongEndpoints, needs: []need{needsEndpointURLs}},
	{number: 24, name: "changes made while disconnected are seen", run: changesWhileDisconnectedAreSeen},
	{number: 25, name: "a burst of 1000 changes ends in the right state for a slow consumer", run: burstWithSlowConsumer},
	{number: 26, name: "a write that changes nothing emits nothing", run: idleWriteEmitsNothing, registers: true},
	{number: 27, name: "snapshots are immutable and sorted, and generations rise", run: snapshotsAreImmutableAndSorted},
	{number: 28, name: "contexts are honoured and no goroutine is left behind", run: contextsAreHonoured, alone: true},
	{number: 29, name: "permission denied is a typed final error, not an empty success", run: deniedIsAFinalError, needs: []need{needsDenied}},
	{number: 30, name: "credentials taken away and given back: it recovers", run: credentialsComeBack, needs: []need{needsCredentials}},
	{number: 31, name: "the last one to leave and its return are each delivered once", run: lastOneLeavesAndReturns},
	{number: 32, name: "services are listed and watched, or that is unsupported", run: servicesAreListedOrUnsupported},
	{number: 33, name: "many watchers of one service share one stream", run: watchersShareOneStream},
	{number: 34, name: "back-off is jittered and capped, without a storm", run: backoffIsJitteredAndCapped, alone: true},
	{number: 35, name: "when the clock steps back updates are still accepted", run: clockStepsBack, registers: true, needs: []need{needsClock}},
	{number: 36, name: "TLS: wrong authority and wrong name fail, mutual TLS works", run: tlsIsVerified, needs: []need{needsTLS}},
	{number: 37, name: "a malformed neighbour does not hide the others", run: malformedNeighbourHidesNothing, needs: []need{needsMalform}},
	{number: 38, name: "of two owners of one id the younger stays", run: youngerOwnerStays, registers: true},
}
