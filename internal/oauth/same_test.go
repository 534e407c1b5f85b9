package oauth

import "testing"

func TestSameURL(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"https://You.example", "HTTPS://you.example/"}:      true,
		{"https://you.example/a", "https://you.example/a/"}:  false,
		{"http://you.example/", "https://you.example/"}:      false,
		{"https://you.example/?a", "https://you.example/?b"}: false,
		{"https://you.example:1/", "https://you.example:2/"}: false,
		{"https://you.example/A", "https://you.example/a"}:   false,
	} {
		if got := SameURL(pair[0], pair[1]); got != want {
			t.Errorf("%v: %v", pair, got)
		}
	}
}
