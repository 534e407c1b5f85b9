package test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mintkeep/keeper/keepertest"
	"mintkeep/test/tools"
)

// A docCommand says which test runs the commands of a page that begin so; "here" is the
// one below. A command that none runs has the reason in place of a test.
type docCommand struct{ page, begins, test string }

var docCommands = []docCommand{
	{"README.md", "go ", "TestNewcomer"},
	{"CONTRIBUTING.md", "go run . demo", "TestNewcomer"},
	{"CONTRIBUTING.md", "", "not run: it runs this test"},
	{"test/README.md", "", "not run: it runs this test"},
	{"docs/hosts.md", "ssh-keygen", "TestRelease"},
	{"docs/hosts.md", "sha256sum", "TestRelease"},
	{"docs/hosts.md", "CGO_ENABLED=1 GOOS=windows", "TestWindows"},
	{"docs/hosts.md", "go build", "here"},
	{"docs/hosts.md", "mkdir ~/tokens", "here"},
	{"docs/hosts.md", "", "TestNewcomer"},
	{"docs/keeping.md", "", "here"},
	{"docs/replicate.md", "umask 077", "TestReplicateSites"},
	{"docs/replicate.md", "litestream restore", "TestReplicateSites"},
	{"docs/replicate.md", "mintkeep doctor -restored", "TestReplicateDrill"},
	{"docs/resources.md", "mintkeep server add", "here"},
	{"docs/resources.md", "claude ", "not run: Claude Code needs an account; TestMCPClient is the SDK that it is made of"},
	{"docs/resources.md", "", "TestNewcomer"},
	{"docs/settings.md", "sqlite3 ", "here"},
	{"docs/sites.md", "systemctl", "TestSystemdSites"},
	{"docs/sites.md", "mintkeep", "here"},
	{"docs/versions.md", "", "TestUpgradeAndBack"},
}

// commandLine is how a command begins, and not a line of a file, a request or an answer.
var commandLine = regexp.MustCompile(`^([A-Z_]+=\S+ )*(apt|bash|bin/mintkeep|\.ci/\w+|claude|cp|curl|go|litestream|mintkeep|mkdir|mv|nginx|` +
	`sed|sha256sum|sqlite3|ssh-keygen|systemctl|token=|umask|[*]/15|0 8)\b?[ $/*(]`)

// commandsIn are the commands in the indented and fenced blocks of a page, as printed; one
// with an open quote goes on in the next line.
func commandsIn(t *testing.T, page string) (all []string) {
	t.Helper()
	lines := strings.Split(readText(t, "../"+page), "\n")
	fence, open := false, false
	for _, line := range lines {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "```") {
			fence = !fence && text == "```"
			continue
		}
		switch {
		case open:
			all[len(all)-1] += "\n" + text
		case (fence || strings.HasPrefix(line, "    ")) && commandLine.MatchString(text):
			all = append(all, text)
		default:
			continue
		}
		command, _, _ := strings.Cut(all[len(all)-1], "  # ")
		open = strings.Count(command, "'")%2 == 1
	}
	return all
}

// runBy is the test that runs a command.
func runBy(page, command string) string {
	for _, c := range docCommands {
		if c.page == page && strings.HasPrefix(command, c.begins) {
			return c.test
		}
	}
	return ""
}

// Issue Release: every command of the pages for people is run by a test, or there is a reason
// why none can.
func TestDocCommands(t *testing.T) {
	pages, _ := filepath.Glob("../docs/*.md")
	sources, _ := filepath.Glob("*_test.go")
	more, _ := filepath.Glob("deploy/*_test.go")
	tests := ""
	for _, file := range append(sources, more...) {
		tests += readText(t, file)
	}
	var here []string
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md", "../test/README.md") {
		page = strings.TrimPrefix(page, "../")
		for _, command := range commandsIn(t, page) {
			switch test := runBy(page, command); {
			case test == "":
				t.Errorf("%s: no test runs %s", page, command)
			case test == "here":
				here = append(here, command)
			case !strings.HasPrefix(test, "not run: ") && !strings.Contains(tests, "func "+test+"("):
				t.Errorf("there is no %s to run %s", test, command)
			}
		}
	}
	if len(here) < 20 {
		t.Errorf("commands: %q", here)
	}
	t.Run("here", func(t *testing.T) {
		tools.Long(t) // some seconds
		newDocPlace(t).run(here)
	})
}

// A docPlace is where the commands are run: an installation that is served, and a site that is
// everything from Mastodon to an MCP server. Only names of hosts and files are put into a command.
type docPlace struct {
	*keepSite
	t       *testing.T
	box     *keepertest.Provider
	key     string // what apikey add printed
	replace *strings.Replacer
}

func newDocPlace(t *testing.T) *docPlace {
	tools.Need(t, "sqlite3", "sqlite3")
	tools.Need(t, "curl", "curl")
	tools.Need(t, "bsdutils", "script")
	k := newKeepSite(t)
	box := keepertest.New()
	box.Registers = true
	site := httptest.NewServer(box)
	t.Cleanup(site.Close)
	k.serve()
	d := &docPlace{keepSite: k, t: t, box: box}
	root, err := filepath.Abs("..")
	if err == nil {
		err = os.Symlink(k.bin, k.path("mintkeep"))
	}
	if err == nil {
		err = os.WriteFile(k.path("token.cgi"), []byte("database: tokens.db\nurl: "+k.base+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.replace = strings.NewReplacer("https://mastodon.social/", site.URL+"/", "mastodon.social", site.URL, "https://tools.example", site.URL,
		"https://login.club.example", site.URL, "-revoke-url …", "-revoke-url https://old.example/revoke", "https://example.com/auth/token.cgi", k.base,
		"/home/you/public_html/auth/token.cgi", k.path("token.cgi"), "/etc/mintkeep.conf", k.path("token.cgi"), "/var/lib/mintkeep-sites", k.path("sites"),
		"*/15 * * * * ", "", "0 8 * * *    ", "", "go build -o mintkeep .", "cd "+root+" && go build -o ~/mintkeep .", "./mintkeep", "~/mintkeep")
	return d
}

// run runs the commands in their order; the one that needs what the others bring, at the end.
func (d *docPlace) run(commands []string) {
	if err := os.MkdirAll(d.path("sites"), 0o700); err != nil {
		d.t.Fatal(err)
	}
	slices.SortStableFunc(commands, func(a, b string) int {
		return strings.Count(a, "(mintkeep get mastodon)") - strings.Count(b, "(mintkeep get mastodon)")
	})
	for _, command := range commands {
		d.box.Set(func(p *keepertest.Provider) { p.Resource = strings.Contains(command, " tools") })
		c := exec.Command("sh", "-euc", strings.ReplaceAll(d.replace.Replace(command), "mkk_…", d.key))
		if asks := strings.HasPrefix(command, "mintkeep provider add"); asks { // at a terminal
			c = exec.Command("script", "-qec", d.replace.Replace(command), "/dev/null")
		}
		c.Dir, c.Stdin = d.dir, strings.NewReader("an-id\n"+keepertest.ClientSecret+"\n")
		c.Env = append(os.Environ(), "HOME="+d.path(""), "PATH="+d.dir+":"+os.Getenv("PATH"), "GOCACHE="+goEnv(d.t, "GOCACHE"), "GOMODCACHE="+goEnv(d.t, "GOMODCACHE"),
			"MINTKEEP_KEY=")
		if !strings.Contains(command, "-sites") {
			c.Env = append(c.Env, "MINTKEEP_URL="+d.base)
		}
		out, err := c.CombinedOutput()
		if err != nil && !strings.HasPrefix(command, "mintkeep doctor") { // which finds faults in this installation
			d.t.Errorf("%s: %v\n%s", command, err, out)
		}
		if key := regexp.MustCompile(`mkk_\S+`).FindString(string(out)); key != "" {
			d.key = key
		}
		if link := regexp.MustCompile(regexp.QuoteMeta(d.base) + `/keep/connect\S+`).FindString(string(out)); link != "" && !strings.Contains(command, "zoom") {
			d.visit(link)
		}
	}
}

// visit opens a link of connect -web as a browser does.
func (d *docPlace) visit(link string) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	reply, err := (&http.Client{Jar: jar}).Get(link)
	if err != nil {
		d.t.Fatal(err)
	}
	defer reply.Body.Close()
	if text, err := io.ReadAll(reply.Body); err != nil || !strings.Contains(string(text), "connected as") {
		d.t.Errorf("%s: %d %s", link, reply.StatusCode, text)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
