package nearest

import (
	"strings"
	"testing"
)

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

// A word of any length costs little: scripts send names, too.
func TestHintOfALongWord(t *testing.T) {
	word, known := strings.Repeat("x", 2000), []string{strings.Repeat("y", 200)}
	if n := testing.AllocsPerRun(1, func() { Hint(word, known, "") }); n > 100 {
		t.Errorf("%v allocations", n)
	}
}
