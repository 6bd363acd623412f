package adsumtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
)

func exampleReports() []*adsumtest.Report {
	return []*adsumtest.Report{
		{Driver: "memory", Registry: "in process", Results: []adsumtest.Result{
			{Number: 3, Name: "visible", Verdict: adsumtest.Pass, Figures: []adsumtest.Figure{{Name: "register→visible", Value: 1234567 * time.Nanosecond}}},
			{Number: 36, Name: "TLS", Verdict: adsumtest.NotApplicable, Reason: "no network"},
		}},
		{Driver: "etcd", Registry: "etcd 3.7.3", Results: []adsumtest.Result{
			{Number: 3, Name: "visible", Verdict: adsumtest.Fail, Figures: []adsumtest.Figure{{Name: "register→visible", Value: 12345 * time.Millisecond}}},
		}},
	}
}

func TestReportsAreReadBackInTheOrderOfDrivers(t *testing.T) {
	folder := t.TempDir() + "/new"
	for _, r := range exampleReports() {
		if err := r.Save(folder); err != nil {
			t.Fatal(err)
		}
	}
	reports, err := adsumtest.ReadReports(folder)
	if err != nil || len(reports) != 2 || reports[0].Driver != "etcd" || reports[1].Results[0].Figures[0].Value != 1234567 {
		t.Fatalf("read %+v, %v", reports, err)
	}
	if _, err := adsumtest.ReadReports(t.TempDir()); err == nil {
		t.Fatal("a folder without reports is no error")
	}
}

func TestTheTablesShowVerdictsFiguresAndReasons(t *testing.T) {
	var verdicts, figures, matrix strings.Builder
	reports := exampleReports()
	for _, err := range []error{
		adsumtest.Verdicts(&verdicts, reports),
		adsumtest.Figures(&figures, reports),
		reports[0].Matrix(&matrix),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for text, wants := range map[string][]string{
		verdicts.String(): {
			"| # | | memory<br>in process | etcd<br>etcd 3.7.3 |\n",
			"| 3 | what is registered is visible within the declared propagation | pass | fail |\n",
			"| 1 | the first snapshot is the complete current set | not run | not run |\n",
			"- memory, 36: no network\n",
		},
		figures.String(): {"| 3 | register→visible | 1ms | 12s |\n"},
		matrix.String():  {"conformance of memory on in process: 1 passed, 0 failed, 1 not applicable, 0 not run\n", "register→visible 1ms\n", "no network\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
}
