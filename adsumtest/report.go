package adsumtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// ReportFolderVariable names the environment variable that tells
// [Conformance] into which folder to write its [Report], as DRIVER.json.
const ReportFolderVariable = "ADSUM_CONFORMANCE_DIR"

// reportingTest is the one test of a driver whose run goes into the table, so
// that a run on three members does not take the place of that on one.
const reportingTest = "TestConformance"

// Report is the outcome of one run of the conformance suite.
type Report struct {
	Driver   string   `json:"driver"`   // as in the driver's capabilities
	Registry string   `json:"registry"` // the product and its version
	Results  []Result `json:"results"`  // of every case, by number
}

// Result is the outcome of one case.
type Result struct {
	Number  int      `json:"number"`
	Name    string   `json:"name"`
	Verdict Verdict  `json:"verdict"`
	Reason  string   `json:"reason,omitempty"` // why it does not apply
	Figures []Figure `json:"figures,omitempty"`
}

// Figure is something a case measured.
type Figure struct {
	Name  string        `json:"name"` // such as "register→visible"
	Value time.Duration `json:"ns"`
}

func (f Figure) String() string { return f.Name + " " + rounded(f.Value) }

// Verdict is how a case ended.
type Verdict string

// The verdicts.
const (
	Pass          Verdict = "pass"
	Fail          Verdict = "fail"
	NotApplicable Verdict = "n/a"
	NotRun        Verdict = "not run" // left out by go test's -run
)

// Matrix writes the report as a table for people.
func (r *Report) Matrix(w io.Writer) error {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	counts := map[Verdict]int{}
	for _, result := range r.Results {
		counts[result.Verdict]++
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\n", result.Number, result.Verdict, result.Name, result.remark())
	}
	_ = table.Flush() // a strings.Builder takes everything
	_, err := fmt.Fprintf(w, "conformance of %s on %s: %d passed, %d failed, %d not applicable, %d not run\n%s",
		r.Driver, r.Registry, counts[Pass], counts[Fail], counts[NotApplicable], counts[NotRun], b.String())
	return err
}

func (r *Result) remark() string {
	parts := []string{}
	if r.Reason != "" {
		parts = append(parts, r.Reason)
	}
	for _, f := range r.Figures {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, ", ")
}

// Save writes the report into the folder as DRIVER.json, for [ReadReports].
func (r *Report) Save(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, r.Driver+".json"), append(text, '\n'), 0o644)
}

// ReadReports reads all reports of a folder, ordered by driver.
func ReadReports(folder string) ([]*Report, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var reports []*Report
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var r Report
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		reports = append(reports, &r)
	}
	if len(reports) == 0 {
		return nil, errors.New("no reports in " + folder + ": run the drivers' conformance tests with " + ReportFolderVariable + " set to it")
	}
	slices.SortFunc(reports, func(a, b *Report) int { return strings.Compare(a.Driver, b.Driver) })
	return reports, nil
}

// Verdicts writes a Markdown table of the verdicts, driver by case, and below
// it why a case does not apply. Two runs that end the same write the same.
func Verdicts(w io.Writer, reports []*Report) error {
	var b strings.Builder
	header(&b, reports, func(r *Report) string { return r.Driver + "<br>" + r.Registry })
	for _, c := range cases {
		fmt.Fprintf(&b, "| %d | %s |", c.number, c.name)
		for _, r := range reports {
			fmt.Fprintf(&b, " %s |", r.result(c.number).Verdict)
		}
		b.WriteByte('\n')
	}
	b.WriteString("\nNot applicable, and why:\n\n")
	for _, r := range reports {
		r.reasons(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// reasons writes why cases do not apply, a line for each reason.
func (r *Report) reasons(b *strings.Builder) {
	var order []string
	numbers := map[string][]string{}
	for _, c := range cases {
		if reason := r.result(c.number).Reason; reason != "" {
			if numbers[reason] == nil {
				order = append(order, reason)
			}
			numbers[reason] = append(numbers[reason], strconv.Itoa(c.number))
		}
	}
	for _, reason := range order {
		fmt.Fprintf(b, "- %s, %s: %s\n", r.Driver, strings.Join(numbers[reason], " "), reason)
	}
}

// Figures writes a Markdown table of what the cases measured.
func Figures(w io.Writer, reports []*Report) error {
	var b strings.Builder
	header(&b, reports, func(r *Report) string { return r.Driver })
	for _, c := range cases {
		for _, name := range figureNames(reports, c.number) {
			fmt.Fprintf(&b, "| %d | %s |", c.number, name)
			for _, r := range reports {
				fmt.Fprintf(&b, " %s |", r.figure(c.number, name))
			}
			b.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func header(b *strings.Builder, reports []*Report, title func(*Report) string) {
	b.WriteString("| # | |")
	for _, r := range reports {
		fmt.Fprintf(b, " %s |", title(r))
	}
	b.WriteString("\n|--:|---|" + strings.Repeat("---|", len(reports)) + "\n")
}

func (r *Report) result(number int) Result {
	for _, result := range r.Results {
		if result.Number == number {
			return result
		}
	}
	return Result{Number: number, Verdict: NotRun}
}

func (r *Report) figure(number int, name string) string {
	for _, f := range r.result(number).Figures {
		if f.Name == name {
			return rounded(f.Value)
		}
	}
	return ""
}

func figureNames(reports []*Report, number int) []string {
	var names []string
	for _, r := range reports {
		for _, f := range r.result(number).Figures {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	}
	return names
}

// rounded keeps two or three digits: more would be noise.
func rounded(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
