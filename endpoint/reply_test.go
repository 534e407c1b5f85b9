package endpoint

import (
	"encoding/json"
	"testing"
)

// What appendText writes by itself is what encoding/json writes.
func TestPlainTextInJSON(t *testing.T) {
	for _, text := range []string{"", "create update", "https://you.example/?a=1&b=2", `"`, `\`, "<script>", "é", "a\x00b", "\x7f", "~}", "\xff"} {
		want, err := json.Marshal(text)
		if got := appendText(nil, text); err != nil || string(got) != string(want) {
			t.Errorf("%q: %s, encoding/json %s", text, got, want)
		}
	}
}
