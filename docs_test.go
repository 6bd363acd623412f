package adsum_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	codeFence    = regexp.MustCompile("(?s)```.*?```")
)

func TestLinksInTheDocumentationLeadSomewhere(t *testing.T) {
	for _, file := range files(t, "*.md") {
		for _, link := range markdownLink.FindAllStringSubmatch(codeFence.ReplaceAllString(read(t, file), ""), -1) {
			target, heading, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if target = path.Join(path.Dir(file), target); link[1][0] == '#' {
				target = file
			}
			if _, err := os.Stat(filepath.FromSlash(target)); err != nil {
				t.Errorf("%s links to %s, which is not there", file, link[1])
			} else if heading != "" && path.Ext(target) == ".md" && !slices.Contains(headings(read(t, target)), heading) {
				t.Errorf("%s links to %s, but %s has no such heading", file, link[1], target)
			}
		}
	}
}

var (
	headingLine = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// headings returns the anchors that GitHub makes of a document's headings.
func headings(markdown string) []string {
	var anchors []string
	for _, heading := range headingLine.FindAllStringSubmatch(codeFence.ReplaceAllString(markdown, ""), -1) {
		anchor := notInAnchor.ReplaceAllString(strings.ToLower(heading[1]), "")
		anchors = append(anchors, strings.ReplaceAll(anchor, " ", "-"))
	}
	return anchors
}

var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

func TestTheCodeOfTheReadmesCompiles(t *testing.T) {
	compiled := undent(read(t, "examples/readme_test.go"))
	for _, file := range []string{"README.md", "README.zh-CN.md"} {
		for _, block := range goBlock.FindAllStringSubmatch(read(t, file), -1) {
			if !strings.Contains(compiled, undent(block[1])) {
				t.Errorf("%s shows code that is not in examples/readme_test.go: bring them in line\n%s", file, block[1])
			}
		}
	}
}

// undent makes code comparable at any depth.
func undent(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	return b.String()
}
