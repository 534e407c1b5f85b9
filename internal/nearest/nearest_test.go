package nearest

import "testing"

func TestHint(t *testing.T) {
	verbs := []string{"token", "log", "connect", "connections", "refresh", "version"}
	for word, want := range map[string]string{
		"tokens":    "did you mean token? see -h",
		"tokne":     "did you mean token? see -h",
		"conect":    "did you mean connect? see -h",
		"Version":   "did you mean version? see -h",
		"lgo":       "did you mean log? see -h",
		"frobincat": "see -h",
		"":          "see -h",
		"xyz":       "see -h",
	} {
		if got := Hint(word, verbs, "see -h"); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}
