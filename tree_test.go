package adsum_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

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
