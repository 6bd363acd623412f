package adsum_test

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// These tests read the tree and keep the picture of the house in
// docs/design.md true. What they forbid, the compiler would allow.

const modulePath = "github.com/adsum-go/adsum"

// rooms says which folders of this repository the code of a folder may
// import, itself aside. "." is the root package.
var rooms = map[string][]string{
	".":         {"internal"},
	"internal":  {".", "lb"}, // the simulation drives both
	"codec":     {"."},
	"health":    {"."},
	"lb":        {"."},
	"debug":     {".", "lb"},
	"load":      {".", "lb"},
	"lifecycle": {"."},
	"mirror":    {"."},
	"adsumtest": {"."},

	"memory":    driver,
	"file":      driver,
	"eureka":    driver,
	"etcd":      driver,
	"consul":    driver,
	"zookeeper": driver,
	"dnssrv":    driver,

	"adsumhttp": adapter,
	"adsumgrpc": adapter,
	"adsumkit":  adapter,
	"adsumotel": {".", "lb", "health", "adsumhttp"}, // the last one in its tests

	"cmd":      released,
	"examples": released,
	"test":     anything,
	"bench":    anything,

	"internal/tools": {},
}

var (
	driver  = []string{".", "codec"}
	adapter = []string{".", "lb", "load", "health", "lifecycle"}
	// inTests is what the tests of any folder may import besides.
	inTests = []string{"adsumtest", "memory"}
	// released modules must not need one that has no version.
	released = []string{".", "codec", "health", "lb", "load", "debug", "lifecycle", "mirror", "memory", "file", "eureka", "etcd", "consul",
		"zookeeper", "dnssrv", "adsumhttp", "adsumgrpc", "adsumkit", "adsumotel", "examples"}
	anything = append([]string{"adsumtest", "test"}, released...)
)

// outside are the modules that go.work leaves out, because their
// requirements must not reach the others.
var outside = regexp.MustCompile(`^(bench|internal/tools|test/(servers|foreign)/.*)$`)

func TestEveryImportIsAllowedByThePictureOfTheHouse(t *testing.T) {
	for _, file := range goFiles(t) {
		from := room(file.path)
		allowed, known := rooms[from]
		if !known {
			t.Errorf("%s: folder %s is not in the picture: add it to rooms in house_test.go and to docs/design.md", file.path, from)
			continue
		}
		if file.isTest() {
			allowed = slices.Concat(allowed, inTests)
		}
		for _, imported := range file.imports() {
			if imported != modulePath && !strings.HasPrefix(imported, modulePath+"/") {
				continue
			}
			to := room(strings.TrimPrefix(strings.TrimPrefix(imported, modulePath), "/") + "/x.go")
			if to != from && !slices.Contains(allowed, to) && !(to == "internal" && moduleOf(file.path) == ".") {
				t.Errorf("%s imports %s: %s may import only %s; move the code or change docs/design.md first",
					file.path, imported, from, strings.Join(allowed, ", "))
			}
		}
	}
}

func TestTheRootModuleNeedsOnlyTheStandardLibrary(t *testing.T) {
	if mod := read(t, "go.mod"); strings.Contains(mod, "require") {
		t.Error("go.mod requires a module: put the code that needs it into a folder with its own go.mod")
	}
	for _, file := range goFiles(t) {
		if moduleOf(file.path) != "." {
			continue
		}
		for _, imported := range file.imports() {
			first, _, _ := strings.Cut(imported, "/")
			if strings.Contains(first, ".") && imported != modulePath && !strings.HasPrefix(imported, modulePath+"/") {
				t.Errorf("%s imports %s: put the code into a folder with its own go.mod", file.path, imported)
			}
		}
	}
}

func TestNestedModulesStayOutOfTheRootsInternal(t *testing.T) {
	for _, file := range goFiles(t) {
		if moduleOf(file.path) == "." {
			continue
		}
		for _, imported := range file.imports() {
			if strings.HasPrefix(imported, modulePath+"/internal/") {
				t.Errorf("%s imports %s, which only the root module may, although the compiler lets it", file.path, imported)
			}
		}
	}
}

var (
	goDirective = regexp.MustCompile(`(?m)^go 1\.(\d+)(\.\d+)?$`)
	sibling     = regexp.MustCompile(`(?m)^\s*(?:require )?(` + regexp.QuoteMeta(modulePath) + `[\w/]*) v`)
)

func TestEveryModuleBuildsFromTheTreeWithGo126(t *testing.T) {
	work := strings.Fields(read(t, "go.work"))
	for _, file := range files(t, "go.mod") {
		dir, mod := path.Dir(file), read(t, file)
		if m := goDirective.FindStringSubmatch(mod); m == nil {
			t.Errorf("%s: no go directive", file)
		} else if minor, _ := strconv.Atoi(m[1]); minor > 26 {
			t.Errorf("%s asks for go 1.%d: keep it at 1.26, the oldest that we support", file, minor)
		}
		if strings.Contains(mod, "\ntoolchain ") {
			t.Errorf("%s has a toolchain line: remove it", file)
		}
		inWork := dir == "." || slices.Contains(work, "./"+dir)
		if inWork == outside.MatchString(dir) {
			t.Errorf("%s: add ./%s to go.work, or to outside in house_test.go with a reason in docs/design.md", file, dir)
		}
		for _, required := range sibling.FindAllStringSubmatch(mod, -1) {
			target := path.Join(".", strings.TrimPrefix(required[1], modulePath))
			rel, _ := filepath.Rel(filepath.FromSlash(dir), filepath.FromSlash(target))
			want := required[1] + " => " + filepath.ToSlash(rel)
			if !strings.Contains(mod, want+"\n") {
				t.Errorf("%s: missing %q", file, "replace "+want)
			}
		}
	}
}
