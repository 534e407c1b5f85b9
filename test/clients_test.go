package test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"mintkeep/internal/demo"
)

// Real clients and resource servers against the real program, serving HTTP.

// A liveSite is the program, running, beside a Selfauth.
type liveSite struct {
	base, bin, database string
	self                *demo.Selfauth
}

func startLive(t *testing.T, settings ...string) *liveSite {
	t.Helper()
	dir := t.TempDir()
	l := &liveSite{bin: released(t), database: filepath.Join(dir, "data", "tokens.db"),
		self: &demo.Selfauth{Me: "https://you.example", Password: "x", Key: "k"}}
	self := httptest.NewServer(l.self)
	t.Cleanup(self.Close)
	l.run(t, "init", "-me", "https://you.example/", self.URL+"/auth/")
	for _, s := range settings {
		l.run(t, append([]string{"setting"}, strings.Fields(s)...)...)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close() // the URL must be known before the program listens
	l.base = "http://" + free.Addr().String() + "/token"
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, l.bin, "serve", "-db", l.database, "-url", l.base, "-listen", free.Addr().String())
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if !strings.Contains(line, "address="+free.Addr().String()) {
		t.Fatalf("serve said %q, %v", line, err)
	}
	return l
}

func (l *liveSite) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(l.bin, append(args, "-db", l.database)...).Output()
	if err != nil {
		t.Fatalf("mintkeep %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// node runs a script of testdata/clients; it wants `npm ci` to have been run there.
func node(t *testing.T, script string, env ...string) string {
	t.Helper()
	nodeModules(t)
	cmd := exec.Command("node", script)
	cmd.Dir = "testdata/clients"
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func TestOauth4webapi(t *testing.T) {
	l := startLive(t)
	secret := l.run(t, "server", "add", "blog")
	out := node(t, "oauth4webapi.mjs", "BASE="+l.base, "CODE="+l.self.Code("https://app.example/", "https://app.example/callback", "create update"),
		"CLIENT_ID=https://app.example/", "REDIRECT_URI=https://app.example/callback", "SERVER_NAME=blog", "SERVER_SECRET="+secret)
	for _, want := range []string{"ok code", "ok refresh", "ok introspect post", "ok introspect basic", "ok revoked", "ok replay refused"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// The front makes of a plain Selfauth what oauth4webapi accepts: metadata, iss, PKCE.
func TestOauth4webapiThroughFront(t *testing.T) {
	for _, direct := range []string{"on", "off"} {
		t.Run("direct="+direct, func(t *testing.T) {
			l := startLive(t, "direct "+direct, "require_pkce on")
			secret := l.run(t, "server", "add", "blog")
			out := node(t, "front.mjs", "BASE="+l.base, "CLIENT_ID=https://app.example/", "REDIRECT_URI=https://app.example/callback",
				"PASSWORD=x", "SERVER_NAME=blog", "SERVER_SECRET="+secret)
			for _, want := range []string{"ok metadata", "ok iss", "ok other iss refused", "ok code", "ok unticked", "ok refresh", "ok introspect", "ok userinfo", "ok revoked", "ok replay refused"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// G15 sends a form Content-Type on its GET and is answered so under either default.
func TestMicropubExpress(t *testing.T) {
	for _, format := range []string{"json", "form"} {
		t.Run(format, func(t *testing.T) {
			l := startLive(t, "default_format "+format)
			token := l.run(t, "token", "mint", "-me", "https://you.example/", "-client", "https://app.example/", "-scope", "create")
			t.Log(node(t, "micropub-express.mjs", "BASE="+l.base, "TOKEN="+token, "ME=https://you.example/"))
		})
	}
}

// C7: golang.org/x/oauth2 guesses how to authenticate, by sending the code
// again after any failure of its first guess.
func TestXOauth2(t *testing.T) {
	l := startLive(t)
	c := oauth2.Config{ClientID: "https://app.example/", RedirectURL: "https://app.example/callback",
		Endpoint: oauth2.Endpoint{TokenURL: l.base, AuthStyle: oauth2.AuthStyleAutoDetect}}
	ctx := context.Background()
	code := l.self.Code(c.ClientID, c.RedirectURL, "create")
	first, err := c.Exchange(ctx, code, oauth2.VerifierOption(oauth2.GenerateVerifier()))
	if err != nil {
		t.Fatal(err)
	}
	if first.Extra("me") != "https://you.example/" || first.TokenType != "Bearer" || first.Expiry.IsZero() {
		t.Errorf("got %v %v %v", first.Extra("me"), first.TokenType, first.Expiry)
	}
	second, err := c.TokenSource(ctx, &oauth2.Token{RefreshToken: first.RefreshToken}).Token()
	if err != nil {
		t.Fatal(err)
	}
	if second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken {
		t.Error("nothing was rotated")
	}
	if _, err := c.Exchange(ctx, code); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		t.Errorf("a code exchanged twice: %v", err)
	}
	var tokens []map[string]any
	if err := json.Unmarshal([]byte(l.run(t, "token", "list", "-json")), &tokens); err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if fmt.Sprint(token["status"]) != "revoked" {
			t.Errorf("after the replay %v is %v", token["id"], token["status"])
		}
	}
}
