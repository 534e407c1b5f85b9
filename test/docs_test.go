package test

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var writeReadme = flag.Bool("write-readme", false, "write the tables of keys and settings in docs/settings.md anew")

// The tables of keys and settings in docs/settings.md say what settings.go says. To write
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
	compareTable(t, "| key | meaning |", keys)
	compareTable(t, "| name | default | meaning |", rows)
}

// compareTable compares a table of docs/settings.md with what the program says,
// or writes it anew.
func compareTable(t *testing.T, heading, table string) {
	t.Helper()
	const file = "../docs/settings.md"
	text := readText(t, file)
	old := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(heading) + `\n(\|.*\n)+`)
	if !old.MatchString(text) {
		t.Fatalf("docs/settings.md has no table %s", heading)
	}
	want := old.ReplaceAllLiteralString(text, table)
	if want == text {
		return
	}
	if !*writeReadme {
		t.Fatalf("the table %s of docs/settings.md is not the program's; go test ./test -run 'TestReadmeTables|TestDocVerbs' -write-readme writes it", heading)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
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

// Every link of the pages for people leads to a file that is there and, with #,
// to a heading of it. The README stays within 150 lines.
func TestDocLinks(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("../docs/*/*.md")
	top, _ := filepath.Glob("../*.md")
	files = append(append(files, more...), append(top, "README.md")...)
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, file := range files {
		text := readText(t, file)
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			path, anchor, _ := strings.Cut(found[1], "#")
			if strings.HasPrefix(path, "https://") || strings.HasPrefix(path, "http://") {
				continue
			}
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere", file, found[1])
			} else if anchor != "" && !slices.Contains(anchors(readText(t, target)), anchor) {
				t.Errorf("%s: no heading of %s is #%s", file, target, anchor)
			}
		}
	}
	if n := strings.Count(readText(t, "../README.md"), "\n"); n > 150 {
		t.Errorf("the README has %d lines, and is to have at most 150", n)
	}
}

// anchors returns the names that a forge gives to the headings of a page.
func anchors(text string) (all []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		name := drop.ReplaceAllString(strings.ToLower(heading[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table of verbs in docs/settings.md is what the program's help says.
func TestDocVerbs(t *testing.T) {
	bin := released(t)
	help := func(args ...string) string {
		out, err := exec.Command(bin, append([]string{"help"}, args...)...).Output()
		if err != nil {
			t.Fatalf("help %v: %v", args, err)
		}
		return string(out)
	}
	want := "| verb | |\n|---|---|\n"
	for _, verb := range regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(help(), -1) {
		lines := strings.Split(help(verb[1]), "\n")
		usage := strings.TrimSpace(strings.TrimPrefix(lines[0], "Usage: mintkeep "))
		want += "| `" + strings.ReplaceAll(usage, "|", `\|`) + "` | " + lines[2] + " |\n"
	}
	compareTable(t, "| verb | |", want)
}

// Wherever a page or a file of deploy/ names a verb of the program, there is that verb, and it has
// the flags.
func TestDocFlags(t *testing.T) {
	bin := released(t)
	files, _ := filepath.Glob("../docs/*.md")
	more, _ := filepath.Glob("../deploy/*")
	files = append(append(files, more...), "../README.md", "../SECURITY.md", "../CHANGELOG.md", "../CONTRIBUTING.md")
	help := map[string]string{}
	named, flags := regexp.MustCompile("`(?:mintkeep ([a-z]+)([^`]*))`"), regexp.MustCompile(` -{1,2}([a-z][a-z-]*)`)
	n := 0
	for _, file := range files {
		for _, found := range named.FindAllStringSubmatch(readText(t, file), -1) {
			n++
			verb := found[1]
			if help[verb] == "" {
				out, err := exec.Command(bin, verb, "-h").CombinedOutput()
				if err != nil {
					t.Errorf("%s: %s: %v", file, found[0], err)
				}
				help[verb] = string(out)
			}
			for _, flag := range flags.FindAllStringSubmatch(found[2], -1) {
				if !regexp.MustCompile(`\s-` + regexp.QuoteMeta(flag[1]) + `\b`).MatchString(help[verb]) {
					t.Errorf("%s: %s: no flag -%s", file, found[0], flag[1])
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("%d commands", n)
	}
}
