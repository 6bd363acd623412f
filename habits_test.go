package adsum_test

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

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
		if !checked[dir] {
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

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, file := range goFiles(t) {
		if file.isTest() || file.syntax.Name.Name == "main" || strings.Contains(file.path, "internal/") || ast.IsGenerated(file.syntax) {
			continue
		}
		for _, decl := range file.syntax.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Name.IsExported() && decl.Doc == nil && exportedReceiver(decl) && !selfEvident[decl.Name.Name] {
					t.Errorf("%s: %s has no comment: say what it does, whether it blocks, which errors it returns", file.at(decl), decl.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					if name, documented := exported(spec); name != "" && !documented && decl.Doc == nil {
						t.Errorf("%s: %s has no comment: say what it is for", file.at(spec), name)
					}
				}
			}
		}
	}
}

// selfEvident are methods that the standard library gives their meaning.
var selfEvident = map[string]bool{"Error": true, "Unwrap": true, "String": true, "Len": true, "Less": true, "Swap": true}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported()
}

// exported returns the first exported name that spec declares, "" if none, and
// whether spec has a comment of its own.
func exported(spec ast.Spec) (name string, documented bool) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			return spec.Name.Name, spec.Doc != nil || spec.Comment != nil
		}
	case *ast.ValueSpec:
		for _, n := range spec.Names {
			if n.IsExported() {
				return n.Name, spec.Doc != nil || spec.Comment != nil
			}
		}
	}
	return "", false
}
