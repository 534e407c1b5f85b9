package secret

import "testing"

func TestSecretsOfOurOwn(t *testing.T) {
	seen := map[Secret]bool{}
	for range 200 {
		s := New("mkk_")
		if seen[s] || !s.WellFormed("mkk_") || len(s) != 53 {
			t.Fatal(string(s))
		}
		seen[s] = true
		b := []byte(s)
		b[10] ^= 1
		if Secret(b).WellFormed("mkk_") || s.WellFormed("mkt_") || s[:len(s)-1].WellFormed("mkk_") {
			t.Error("a mangled key is taken for a whole one")
		}
	}
}
