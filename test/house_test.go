package test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A listed package is what `go list -json` says of one.
type listed struct {
	ImportPath    string
	Imports, Deps []string
}

// Imports run one way (architecture, Rooms). Packages that are not there yet
// break no rule.
func TestImports(t *testing.T) {
	packages := list(t, "mintkeep/...")
	const driver = "github.com/mattn/go-sqlite3"
	rules := map[string]struct {
		may   []string // beside the standard library; a slash at the end takes what lies below
		never []string // not even by way of others
	}{
		"mintkeep/endpoint": {
			may:   []string{"golang.org/x/crypto/", "golang.org/x/net/", "willnorris.com/go/microformats"},
			never: []string{"mintkeep/keeper", "mintkeep/internal/owner", "mintkeep/doctor", driver},
		},
		"mintkeep/keeper": {
			may:   []string{"golang.org/x/oauth2", "golang.org/x/oauth2/", "golang.org/x/crypto/"},
			never: []string{"mintkeep/endpoint", "mintkeep/internal/owner", "mintkeep/doctor", driver},
		},
		"mintkeep/internal/owner": {
			may:   []string{"mintkeep/endpoint", "mintkeep/keeper"},
			never: []string{"mintkeep/internal/doctor", driver},
		},
		"mintkeep/internal/doctor": {
			may:   []string{"mintkeep/endpoint", "golang.org/x/net/", "golang.org/x/crypto/", "willnorris.com/go/microformats"},
			never: []string{"mintkeep/internal/owner", driver},
		},
	}
	for path, rule := range rules {
		p, ok := packages[path]
		if !ok {
			continue
		}
		for _, i := range p.Imports {
			if strings.Contains(strings.Split(i, "/")[0], ".") || strings.HasPrefix(i, "mintkeep") {
				if !slices.ContainsFunc(rule.may, func(m string) bool { return i == m || strings.HasSuffix(m, "/") && strings.HasPrefix(i, m) }) {
					t.Errorf("%s imports %s", path, i)
				}
			}
		}
		for _, never := range rule.never {
			if slices.Contains(p.Deps, never) {
				t.Errorf("%s depends on %s", path, never)
			}
		}
	}
	for path, p := range packages {
		inner := strings.HasPrefix(path, "mintkeep/")
		if inner && path != "mintkeep/internal/store" && slices.Contains(p.Imports, driver) {
			t.Errorf("%s imports the driver; only main and store may", path)
		}
		if inner && slices.Contains(p.Imports, "mintkeep/internal/doctor") {
			t.Errorf("%s imports doctor; only main may", path)
		}
		if inner && slices.Contains(p.Imports, "mintkeep") {
			t.Errorf("%s imports main", path)
		}
		for _, i := range p.Imports {
			if strings.HasSuffix(i, "test") && strings.HasPrefix(i, "mintkeep/") {
				t.Errorf("%s imports %s, which is for tests", path, i)
			}
			if strings.HasPrefix(i, "github.com/rogpeppe/") {
				t.Errorf("%s imports %s, which is for tests", path, i)
			}
		}
	}
	if !slices.Contains(packages["mintkeep"].Imports, driver) {
		t.Error("main does not import the driver")
	}
}

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
