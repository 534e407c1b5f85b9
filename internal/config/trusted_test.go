package config

import (
	"slices"
	"strings"
	"testing"
)

// An endpoint that cannot be trusted is left out, whoever named it; the others are
// asked, each once however it is spelt (C1).
func TestRefusedEndpointsAreNotAsked(t *testing.T) {
	const own = "https://you.example/token"
	table := Table{{Name: "endpoint", Row: true, Many: true}, {Name: "me", Row: true, Many: true}}
	rows := []Row{{"endpoint", "http://plain.example/auth"}, {"endpoint", "https://indieauth.com/auth"}, {"endpoint", own},
		{"endpoint", "https://you.example/auth/"}, {"endpoint", "https://YOU.example:443/auth/"}, {"endpoint", "https://you.example/a#b"}}
	v, refused, err := table.Parse(rows, &Config{URL: own})
	if want := []string{"https://you.example/auth/"}; err != nil || !slices.Equal(v["endpoint"], want) {
		t.Errorf("asked are %q, %v, want %q", v["endpoint"], err, want)
	}
	for _, url := range []string{"http://plain.example/auth", "indieauth.com", own, "https://you.example/a#b"} {
		if refused == nil || !strings.Contains(refused.Error(), url) {
			t.Errorf("nothing is said of %s: %v", url, refused)
		}
	}
	v, _, _ = table.Parse(append(rows, Row{"me", "https://you.example/"}), &Config{URL: own})
	if !slices.Contains(v["endpoint"], "https://indieauth.com/auth") {
		t.Errorf("a public service for a named person is not asked: %q", v["endpoint"])
	}
}
