package adsum_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"maps"
	"os"
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
	"lifecycle": {"."},
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
	"adsumotel": adapter,

	"cmd":      released,
	"examples": released,
	"test":     anything,
	"bench":    anything,

	"internal/tools": {},
}

var (
	driver  = []string{".", "codec"}
	adapter = []string{".", "lb", "health", "lifecycle"}
	// inTests is what the tests of any folder may import besides.
	inTests = []string{"adsumtest", "memory"}
	// released modules must not need one that has no version.
	released = []string{".", "codec", "health", "lb", "lifecycle", "memory", "file", "eureka", "etcd", "consul",
		"zookeeper", "dnssrv", "adsumhttp", "adsumgrpc", "adsumkit", "adsumotel", "examples"}
	anything = append([]string{"adsumtest", "test"}, released...)
)

// outside are the modules that go.work leaves out, because their
// requirements must not reach the others.
var outside = regexp.MustCompile(`^(bench|internal/tools|test/servers/.*)$`)

// leakFree are packages whose tests need no leak check, with the reason.
var leakFree = map[string]string{}

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

func TestNothingIsRegisteredInInit(t *testing.T) {
	for _, file := range goFiles(t) {
		// gRPC finds resolvers and balancers in a global table.
		if room(file.path) == "adsumgrpc" || ast.IsGenerated(file.syntax) {
			continue
		}
		for _, f := range file.functions() {
			if f.Name.Name == "init" {
				t.Errorf("%s has an init function: let the program compose it instead", file.at(f))
			}
		}
	}
}

func TestPackageNamesSayWhatIsInside(t *testing.T) {
	for _, file := range goFiles(t) {
		switch name := strings.TrimSuffix(file.syntax.Name.Name, "_test"); name {
		case "util", "utils", "common", "helper", "helpers", "misc", "base", "shared":
			t.Errorf("%s: package %s says nothing: name it after the noun inside", file.path, name)
		}
	}
}

func TestEveryTestedPackageLooksForLeakedGoroutines(t *testing.T) {
	tested, checked := map[string]bool{}, map[string]bool{}
	for _, file := range goFiles(t) {
		if !file.isTest() || room(file.path) == "internal/tools" {
			continue
		}
		dir := path.Dir(file.path)
		if slices.ContainsFunc(file.functions(), func(f *ast.FuncDecl) bool {
			return strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")
		}) {
			tested[dir] = true
		}
		for call := range file.calls() {
			if strings.HasSuffix(callee(call), "VerifyNoLeaks") {
				checked[dir] = true
			}
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(tested)) {
		if !checked[dir] && leakFree[dir] == "" {
			t.Errorf("%s has tests but no leak check: add func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }", dir)
		}
	}
}

func TestNoTestIsSkipped(t *testing.T) {
	for _, file := range goFiles(t) {
		for call := range file.calls() {
			switch name := callee(call); name {
			case "t.Skip", "t.Skipf", "t.SkipNow", "b.Skip", "b.Skipf", "f.Skip", "testing.Short":
				t.Errorf("%s calls %s: a test that cannot run fails and says what it misses", file.at(call), name)
			}
		}
	}
}

func TestNoTestSleepsAndHopes(t *testing.T) {
	for _, file := range goFiles(t) {
		// Within a synctest bubble a sleep takes no time and is exact.
		if !file.isTest() || slices.Contains(file.imports(), "testing/synctest") {
			continue
		}
		for call, loop := range file.calls() {
			// A loop that looks again and again is the way to wait for
			// what nothing announces.
			if callee(call) == "time.Sleep" && loop == nil {
				t.Errorf("%s sleeps: wait for the event, or test in testing/synctest", file.at(call))
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

var (
	markdownLink = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	codeFence    = regexp.MustCompile("(?s)```.*?```")
)

func TestLinksInTheDocumentationLeadSomewhere(t *testing.T) {
	for _, file := range files(t, "*.md") {
		for _, link := range markdownLink.FindAllStringSubmatch(codeFence.ReplaceAllString(read(t, file), ""), -1) {
			target, _, _ := strings.Cut(link[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(path.Join(path.Dir(file), target))); err != nil {
				t.Errorf("%s links to %s, which is not there", file, link[1])
			}
		}
	}
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

// goFile is one parsed source file; path is relative to the root of the
// repository, with slashes.
type goFile struct {
	path   string
	syntax *ast.File
	set    *token.FileSet
}

func (f goFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f goFile) at(n ast.Node) string { return f.set.Position(n.Pos()).String() }

func (f goFile) imports() []string {
	var list []string
	for _, spec := range f.syntax.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		list = append(list, name)
	}
	return list
}

// functions returns the functions of the file that are no methods.
func (f goFile) functions() []*ast.FuncDecl {
	var list []*ast.FuncDecl
	for _, decl := range f.syntax.Decls {
		if function, ok := decl.(*ast.FuncDecl); ok && function.Recv == nil {
			list = append(list, function)
		}
	}
	return list
}

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var list []goFile
	set := token.NewFileSet()
	for _, name := range files(t, "*.go") {
		syntax, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, goFile{name, syntax, set})
	}
	return list
}

// files returns the files of the tree whose name matches pattern.
func files(t *testing.T, pattern string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != "." && (base[0] == '.' || base == "testdata" || name == "bin" || name == "dist") {
				return fs.SkipDir
			}
			return nil
		}
		if ok, _ := path.Match(pattern, entry.Name()); ok {
			list = append(list, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// room returns the part of the house that a file belongs to: its top folder.
func room(file string) string {
	if strings.HasPrefix(file, "internal/tools/") {
		return "internal/tools"
	}
	top, _, nested := strings.Cut(strings.TrimPrefix(file, "/"), "/")
	if !nested {
		return "."
	}
	return top
}

// moduleOf returns the folder of the go.mod that a file belongs to.
func moduleOf(file string) string {
	dir := path.Dir(file)
	for dir != "." {
		if _, err := os.Stat(filepath.FromSlash(dir + "/go.mod")); err == nil {
			break
		}
		dir = path.Dir(dir)
	}
	return dir
}

// calls yields every call in the file with the innermost loop around it, or
// nil.
func (f goFile) calls() iter.Seq2[*ast.CallExpr, *ast.ForStmt] {
	return func(yield func(*ast.CallExpr, *ast.ForStmt) bool) {
		var loops []*ast.ForStmt
		for n := range ast.Preorder(f.syntax) {
			for len(loops) > 0 && n.Pos() >= loops[len(loops)-1].End() {
				loops = loops[:len(loops)-1]
			}
			switch n := n.(type) {
			case *ast.ForStmt:
				loops = append(loops, n)
			case *ast.CallExpr:
				var innermost *ast.ForStmt
				if len(loops) > 0 {
					innermost = loops[len(loops)-1]
				}
				if !yield(n, innermost) {
					return
				}
			}
		}
	}
}

// callee returns the name that a call is written with, such as "time.Sleep".
func callee(call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if x, ok := fun.X.(*ast.Ident); ok {
			return x.Name + "." + fun.Sel.Name
		}
		return fun.Sel.Name
	}
	return ""
}
