package oauth

import (
	"strings"
	"testing"
)

// TestResource: what is the same resource, and what can be none (interface.md 5).
func TestResource(t *testing.T) {
	const mcp = "https://mcp.example/a/b"
	for s, want := range map[string]Resource{
		mcp: mcp, "HTTPS://MCP.example:443/a/b": mcp, "https://mcp.example./a/b": mcp,
		"https://mcp.example/a/b/": "https://mcp.example/a/b/", "https://mcp.example/a/b?": "https://mcp.example/a/b?",
		"https://mcp.example/A/b": "https://mcp.example/A/b", "https://mcp.example/a%2Fb": "https://mcp.example/a%2Fb",
		"https://mcp.example/%61/b": "https://mcp.example/%61/b", "https://mcp.example//a/b": "https://mcp.example//a/b",
		"https://mcp.example:8443/a/b": "https://mcp.example:8443/a/b", "https://mcp.example?x": "https://mcp.example/?x",
		"https://mcp.example": "https://mcp.example/", "http://127.0.0.1:3000": "http://127.0.0.1:3000/", "http://localhost/mcp": "http://localhost/mcp",
		"https://bücher.example/": "https://xn--bcher-kva.example/",
	} {
		if got, err := ParseResource(s); got != want || err != nil {
			t.Errorf("%s: %q %v", s, got, err)
		}
		if again, err := ParseResource(string(want)); again != want || err != nil {
			t.Errorf("%s: %q the second time, %v", want, again, err)
		}
	}
	for _, s := range []string{"", "mcp", "/mcp", "//mcp.example/", "http://mcp.example/", "ftp://mcp.example/", "https://mcp.example/#", "https://mcp.example/#x",
		"https://u@mcp.example/", "https://mcp.example/../x", "https://mcp.example/a b", `https://mcp.example/"`, "https://10.0.0.1/", "https:///x",
		"urn:x:y", "https://mcp.example/ https://other.example/", "https://mcp.example/\r\nX: y"} {
		if r, err := ParseResource(s); err == nil || r != Resource(s) {
			t.Errorf("%q was taken as %q", s, r)
		}
		if s != "" && Resource(mcp).Takes(s) {
			t.Errorf("%q is taken", s)
		}
		if at, err := Resource(s).Metadata(); err == nil {
			t.Errorf("%q has metadata at %q", s, at)
		}
	}
	for r, want := range map[Resource]string{mcp: "https://mcp.example/.well-known/oauth-protected-resource/a/b", "https://mcp.example/": "https://mcp.example/.well-known/oauth-protected-resource",
		"https://mcp.example/a/?x": "https://mcp.example/.well-known/oauth-protected-resource/a/?x", "https://mcp.example/a%2Fb": "https://mcp.example/.well-known/oauth-protected-resource/a%2Fb"} {
		if got, err := r.Metadata(); got != want || err != nil {
			t.Errorf("%s: %q %v", r, got, err)
		}
	}
}

// FuzzResource: whatever is named, its one spelling is found at the first try, can
// stand in a header field, and is no other resource's.
func FuzzResource(f *testing.F) {
	for _, s := range []string{"https://mcp.example", "http://[::1]:1/a?b", "https://a.example:443/%2f/?", "https://ü.example/ü", "//x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseResource(s)
		if err != nil {
			return
		}
		at, err := r.Metadata()
		if err != nil || strings.ContainsAny(string(r)+at, " \"\\\r\n") {
			t.Fatalf("%q: metadata at %q, %v", s, at, err)
		}
		if again, err := ParseResource(string(r)); again != r || err != nil || !r.Takes(s) || r.Takes(string(r)+"x") {
			t.Fatalf("%q is %q, then %q, %v", s, r, again, err)
		}
	})
}
