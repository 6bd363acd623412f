// Command conformance makes one document of the reports that the drivers'
// conformance tests left in a folder.
//
//	ADSUM_CONFORMANCE_DIR=$PWD/reports go test -run 'TestConformance$' ./memory ./test/...
//	go run ./test/conformance -reports reports
//
// With -check it writes no document but prints the verdicts, and fails unless
// the document has the same. What was measured may differ: no two runs measure the same.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/adsum-go/adsum/adsumtest"
)

func main() {
	reports := flag.String("reports", "", "the folder with the reports")
	document := flag.String("document", "docs/conformance.md", "the document")
	check := flag.Bool("check", false, "compare the verdicts, and print them")
	flag.Parse()
	if err := run(*reports, *document, *check); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(folder, document string, check bool) error {
	reports, err := adsumtest.ReadReports(folder)
	if err != nil {
		return err
	}
	var verdicts, figures strings.Builder
	if err := adsumtest.Verdicts(&verdicts, reports); err != nil {
		return err
	}
	if err := adsumtest.Figures(&figures, reports); err != nil {
		return err
	}
	if check {
		return compare(document, verdicts.String())
	}
	return os.WriteFile(document, fmt.Appendf(nil, layout, verdicts.String(), figures.String()), 0o644)
}

func compare(document, verdicts string) error {
	fmt.Println(verdicts)
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), verdicts) {
		return fmt.Errorf("the verdicts of this run are not those of %s; run make conformance and look at the difference", document)
	}
	return nil
}

const layout = `# Conformance

Written by ` + "`make conformance`" + `: every driver on its real registry, by the suite
in [adsumtest](../adsumtest/conformance.go). A case that does not apply is
declared by the driver or its harness, with the reason below the table; nothing
is skipped. [How to put a driver of your own through it](writing-a-driver.md).

## Verdicts

%s
## Measured

On a loaded two-core machine, with a TTL of 2 s unless the test chose another, so
that crashes show soon; with another TTL the times that depend on it grow with
it. Of several measurements in one case the worst is shown.

%s`
