package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func TestTheDocumentIsCheckedByItsVerdicts(t *testing.T) {
	folder := t.TempDir()
	document := filepath.Join(folder, "conformance.md")
	save := func(verdict adsumtest.Verdict, measured time.Duration) {
		t.Helper()
		r := adsumtest.Report{Driver: "memory", Registry: "in process", Results: []adsumtest.Result{
			{Number: 3, Verdict: verdict, Figures: []adsumtest.Figure{{Name: "register→visible", Value: measured}}},
		}}
		if err := r.Save(folder); err != nil {
			t.Fatal(err)
		}
	}
	save(adsumtest.Pass, time.Millisecond)
	if err := run(folder, document, false); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(document); !strings.Contains(string(text), "| 3 | register→visible | 1ms |") {
		t.Fatalf("the document is\n%s", text)
	}
	save(adsumtest.Pass, time.Second)
	if err := run(folder, document, true); err != nil {
		t.Errorf("another measurement fails the check: %v", err)
	}
	save(adsumtest.Fail, time.Second)
	if err := run(folder, document, true); err == nil {
		t.Error("another verdict passes the check")
	}
}
