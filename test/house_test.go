package test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The rules of the house (CONTRIBUTING.md), so that they need not be remembered.

// NOT YET: what of the rules does not hold yet. This list is to be empty.
var notYet = []string{
	`lines of Go`,
}

// broken reports a rule that does not hold.
func broken(t *testing.T, format string, args ...any) {
	t.Helper()
	what := fmt.Sprintf(format, args...)
	for _, pattern := range notYet {
		if regexp.MustCompile(pattern).MatchString(what) {
			t.Logf("not yet: %s", what)
			return
		}
	}
	t.Error(what)
}

// A listed package is what `go list -json` says of one.
type listed struct {
	ImportPath    string
	Imports, Deps []string
}

// rooms are the packages of the program from the top to the ground. A package
// imports only what stands in a line below its own.
var rooms = [][]string{
	{"mintkeep"},
	{"internal/command"},
	{"internal/serve"},
	{"internal/instance"},
	{"internal/owner", "internal/doctor", "keeper/api"},
	{"endpoint", "keeper"},
	{"endpoint/authorize"},
	{"endpoint/grant", "keeper/provider", "keeper/keyring"},
	{"internal/config"},
	{"internal/store", "internal/demo"},
	{"internal/discover"},
	{"internal/oauth", "internal/page"},
	{"internal/nearest", "internal/secret", "keeper/internal/fault", "keeper/internal/text"},
	{"keeper/keepertest"},
}

// level is the line of a package in rooms, -1 if it has none.
func level(path string) int {
	return slices.IndexFunc(rooms, func(line []string) bool {
		return slices.Contains(line, path) || slices.Contains(line, strings.TrimPrefix(path, "mintkeep/"))
	})
}

const driver = "github.com/mattn/go-sqlite3"

// Imports run one way, the two halves do not know each other, the driver is the
// store's alone, and what is for tests is in no program.
func TestImports(t *testing.T) {
	for path, p := range list(t, "mintkeep/...") {
		if strings.HasPrefix(path, "mintkeep/test/") || path == "mintkeep/test" {
			continue
		}
		here := level(path)
		if here < 0 {
			broken(t, "%s has no room: add it to rooms in house_test.go", path)
			continue
		}
		for _, i := range p.Imports {
			switch there := level(i); {
			case i == driver && path != "mintkeep/internal/store":
				broken(t, "%s imports the driver; only store may", path)
			case strings.HasPrefix(i, "github.com/rogpeppe/") || strings.HasPrefix(i, "mintkeep/test"):
				broken(t, "%s imports %s, which is for tests", path, i)
			case (i == "mintkeep" || strings.HasPrefix(i, "mintkeep/")) && there <= here:
				broken(t, "%s imports %s, which stands no lower", path, i)
			}
		}
		for half, other := range map[string]string{"mintkeep/endpoint": "mintkeep/keeper", "mintkeep/keeper": "mintkeep/endpoint"} {
			if !within(path, half) {
				continue
			}
			for _, d := range p.Deps {
				if within(d, other) {
					broken(t, "%s depends on %s, the other half", path, d)
				}
			}
		}
	}
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// list asks the go command, with the dependencies of each package.
func list(t *testing.T, pattern string) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", pattern).Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := make(map[string]listed)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

// What the house may be at most.
const (
	entriesAtTop   = 20
	filesOfMain    = 4
	linesOfMain    = 600
	linesOfProgram = 15_200
	linesOfFile    = 299
	linesOfFunc    = 59
	columns        = 140 // a tab counts as four
	methodsOfType  = 45
)

// TestTop: who opens the folder sees all of it at once.
func TestTop(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	lines, files := 0, 0
	for _, e := range entries {
		if e.Name() == ".git" || e.Name() == "dist" || e.Name() == "mintkeep" { // what .gitignore names
			continue
		}
		names = append(names, e.Name())
		if filepath.Ext(e.Name()) != ".go" {
			continue
		}
		if strings.HasSuffix(e.Name(), "_test.go") {
			broken(t, "%s: tests stand beside what they test, or in test/", e.Name())
		}
		text, err := os.ReadFile("../" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files++
		lines += strings.Count(string(text), "\n")
	}
	if len(names) > entriesAtTop {
		broken(t, "%d entries at the top, at most %d: %s", len(names), entriesAtTop, strings.Join(names, " "))
	}
	if files > filesOfMain || lines > linesOfMain {
		broken(t, "package main has %d lines in %d files, at most %d in %d", lines, files, linesOfMain, filesOfMain)
	}
}

// TestSizes: files, functions, lines and types that can be read in one go, and a
// program that does not grow by squeezing.
func TestSizes(t *testing.T) {
	total := 0
	methods := make(map[string]int)
	for _, file := range sources(t) {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, file, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		total += len(lines)
		if len(lines) > linesOfFile {
			broken(t, "%s has %d lines", file, len(lines))
		}
		for _, d := range tree.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if f.Recv != nil {
				methods[filepath.Dir(file)+"."+receiver(f)]++
			}
			n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
			if n > linesOfFunc && !isTable(f) {
				broken(t, "%s: %s has %d lines", file, f.Name.Name, n)
			}
		}
		long := tablesAndTexts(fset, tree)
		for i, line := range lines {
			if n := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t"); n > columns && !long[i+1] {
				broken(t, "%s:%d has %d columns", file, i+1, n)
			}
		}
	}
	for name, n := range methods {
		if n > methodsOfType {
			broken(t, "%s has %d methods", name, n)
		}
	}
	t.Logf("%d lines of Go", total)
	if total > linesOfProgram {
		broken(t, "the program has %d lines of Go, at most %d", total, linesOfProgram)
	}
}

// sources are the program's Go files: no tests, and not the folder test.
func sources(t *testing.T) (files []string) {
	t.Helper()
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "test" || name == "dist" || d.Name() == "testdata" || d.Name() == ".git"):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// receiver is the name of the type that a method belongs to.
func receiver(f *ast.FuncDecl) string {
	e := f.Recv.List[0].Type
	if p, ok := e.(*ast.StarExpr); ok {
		e = p.X
	}
	if g, ok := e.(*ast.IndexExpr); ok {
		e = g.X
	}
	return fmt.Sprint(e)
}

// isTable reports whether a function does nothing but return a table.
func isTable(f *ast.FuncDecl) bool {
	if f.Body == nil || len(f.Body.List) != 1 {
		return false
	}
	r, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return false
	}
	e := r.Results[0]
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) > 0 { // slices.Concat(table, …)
		e = call.Args[0]
	}
	_, ok = e.(*ast.CompositeLit)
	return ok
}

// tablesAndTexts are the lines that may be as long as they are: the rows of a
// composite literal, and those with a text.
func tablesAndTexts(fset *token.FileSet, tree *ast.File) map[int]bool {
	exempt := make(map[int]bool)
	texts := make(map[int]int)     // columns of texts in a line
	for _, d := range tree.Decls { // C has its texts too
		if g, ok := d.(*ast.GenDecl); ok && g.Doc != nil && strings.HasPrefix(g.Doc.List[0].Text, "/*\n#define") {
			for i, line := range strings.Split(g.Doc.List[0].Text, "\n") {
				exempt[fset.Position(g.Doc.Pos()).Line+i] = strings.Count(line, `"`) > 1
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		first, last := 0, 0
		if n != nil {
			first, last = fset.Position(n.Pos()).Line, fset.Position(n.End()).Line
		}
		switch n := n.(type) {
		case *ast.CompositeLit:
			for i := first + 1; i <= last; i++ {
				exempt[i] = true
			}
		case *ast.BasicLit:
			for i := first; i <= last && n.Kind == token.STRING; i++ {
				texts[i] += utf8.RuneCountInString(n.Value)
				exempt[i] = exempt[i] || texts[i] > 40
			}
		}
		return true
	})
	return exempt
}
