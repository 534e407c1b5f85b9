package test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var writeReadme = flag.Bool("write-readme", false, "write the README's tables of keys and settings anew")

// The README's tables of keys and settings say what settings.go says. To write
// them anew: go test ./test -run TestReadmeTables -write-readme
func TestReadmeTables(t *testing.T) {
	settings := readSettings(t)
	keys, rows := "| key | meaning |\n|---|---|\n", "| name | default | meaning |\n|---|---|---|\n"
	for _, s := range settings {
		standard := s["DefaultNote"]
		if s["Default"] != "" {
			standard = "`" + s["Default"] + "`"
		}
		if s["File"]+s["Files"] != "" {
			keys += "| `" + s["Name"] + "` | " + s["Meaning"] + " |\n"
		}
		if s["Row"] != "" {
			rows += strings.ReplaceAll("| `"+s["Name"]+"` | "+standard+" | "+s["Meaning"]+" |\n", "|  |", "| |")
		}
	}
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for heading, table := range map[string]string{"| key | meaning |": keys, "| name | default | meaning |": rows} {
		old := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(heading) + `\n(\|.*\n)+`)
		if !old.MatchString(want) {
			t.Fatalf("the README has no table %s", heading)
		}
		want = old.ReplaceAllLiteralString(want, table)
	}
	if want == string(text) {
		return
	}
	if !*writeReadme {
		t.Fatal("the README's tables are not those of settings.go; go test ./test -run TestReadmeTables -write-readme writes them")
	}
	if err := os.WriteFile("../README.md", []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readSettings reads the table of settings.go: strings as they are, everything
// else that is set as "set".
func readSettings(t *testing.T) (all []map[string]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../settings.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		line, ok := n.(*ast.CompositeLit)
		if !ok || line.Type != nil { // the table itself has a type, its lines have none
			return true
		}
		s := make(map[string]string)
		for _, e := range line.Elts {
			field := e.(*ast.KeyValueExpr)
			name := field.Key.(*ast.Ident).Name
			s[name] = "set"
			if text, ok := field.Value.(*ast.BasicLit); ok {
				s[name], _ = strconv.Unquote(text.Value)
			}
		}
		all = append(all, s)
		return false
	})
	return all
}
