package adsumtest

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/adsum-go/adsum"
)

// Conformance puts a driver through every case that a registry driver must
// pass, as subtests named by number, and logs the matrix of verdicts and
// measurements at the end (shown by go test -v, and when a case failed). With
// [ReportFolderVariable] set, the test called TestConformance writes its report
// there too; a driver's further runs, on other servers, do not.
//
//	func TestConformance(t *testing.T) {
//		adsumtest.Conformance(t, adsumtest.Harness{
//			Registry:  "etcd 3.7.3",
//			Open:      etcd.Open,
//			URL:       func(base string, endpoints ...string) string { … },
//			Endpoints: []string{server.Addr()},
//			Server:    server,
//		})
//	}
//
// The cases that do harm to the server run one after the other, and then the
// others in parallel. One case runs with -run 'TestConformance/13'. The test
// that calls it must not be parallel itself: one case counts goroutines.
func Conformance(t *testing.T, h Harness) {
	t.Helper()
	h.withDefaults()
	run := newConformanceRun(t, &h)
	t.Cleanup(func() { run.finish(t) })
	for _, c := range cases {
		if c.alone {
			run.start(t, c)
		}
	}
	for _, c := range cases {
		if !c.alone {
			run.start(t, c)
		}
	}
}

// conformanceRun is one call of [Conformance].
type conformanceRun struct {
	harness *Harness
	caps    adsum.Capabilities

	mu      sync.Mutex
	results map[int]*Result
}

func newConformanceRun(t *testing.T, h *Harness) *conformanceRun {
	t.Helper()
	if h.Connect == nil && (h.Open == nil || h.URL == nil || len(h.Endpoints) == 0) {
		t.Fatal("the harness needs Connect, or all of Open, URL and Endpoints")
	}
	registry := h.connect(t, newBase(0)).Registry
	run := &conformanceRun{harness: h, results: map[int]*Result{}, caps: registry.Capabilities()}
	checkCapabilities(t, run.caps)
	if err := registry.Close(); err != nil {
		t.Errorf("close a registry that was never used: %v", err)
	}
	return run
}

func checkCapabilities(t *testing.T, caps adsum.Capabilities) {
	t.Helper()
	switch {
	case caps.Driver == "":
		t.Error("Capabilities.Driver is empty")
	case caps.Registry == "":
		t.Error("Capabilities.Registry is empty")
	case caps.Heartbeat <= 0:
		t.Error("Capabilities.Heartbeat is not set: a watch that is deaf could not be told from an idle one")
	case caps.Propagation <= 0:
		t.Error("Capabilities.Propagation is not set")
	}
}

// start runs a case, or notes why it does not apply.
func (run *conformanceRun) start(t *testing.T, c conformanceCase) {
	t.Helper()
	if reason := run.notApplicable(c); reason != "" {
		run.note(&Result{Number: c.number, Name: c.name, Verdict: NotApplicable, Reason: reason})
		return
	}
	t.Run(fmt.Sprintf("%02d %s", c.number, c.name), func(t *testing.T) {
		if !c.alone {
			t.Parallel()
		}
		result := &Result{Number: c.number, Name: c.name}
		t.Cleanup(func() { // the first registered runs last
			result.Verdict = Pass
			if t.Failed() {
				result.Verdict = Fail
			}
			run.note(result)
		})
		for _, need := range c.needs {
			if !need.met(run.harness) {
				t.Fatalf("the harness has no %s: provide it, or say in NotApplicable why this case does not apply", need.name)
			}
		}
		c.run(newScene(t, run, result))
	})
}

func (run *conformanceRun) notApplicable(c conformanceCase) string {
	if reason := run.harness.NotApplicable[c.number]; reason != "" {
		return reason
	}
	if c.registers && !run.caps.Register {
		return "read only: the driver declares that it cannot register"
	}
	if c.number == crashIsGone.number && run.caps.DetectTTLs == 0 {
		return "the driver declares that a crashed instance stays for ever"
	}
	return ""
}

func (run *conformanceRun) note(result *Result) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.results[result.Number] = result
}

func (run *conformanceRun) report() *Report {
	run.mu.Lock()
	defer run.mu.Unlock()
	report := &Report{Driver: run.caps.Driver, Registry: run.harness.Registry}
	for _, c := range cases {
		result := run.results[c.number]
		if result == nil {
			result = &Result{Number: c.number, Name: c.name, Verdict: NotRun}
		}
		report.Results = append(report.Results, *result)
	}
	return report
}

func (run *conformanceRun) finish(t *testing.T) {
	report := run.report()
	var matrix strings.Builder
	_ = report.Matrix(&matrix) // a strings.Builder takes everything
	t.Log(matrix.String())
	if folder := os.Getenv(ReportFolderVariable); folder != "" && t.Name() == reportingTest {
		if err := report.Save(folder); err != nil {
			t.Error(err)
		}
	}
}
