package keeper

import (
	"database/sql"
	"strings"
	"testing"
	"time"
)

func FuzzReply(f *testing.F) {
	f.Add("application/json", `{"access_token":"a","expires_in":"3600"}`)
	f.Add("application/x-www-form-urlencoded", `access_token=a&expires_in=3600&error=`)
	f.Add("text/html", `<html>`)
	f.Add("application/json", `{"expires_in":1e400,"error":{"x":1}}`)
	f.Fuzz(func(t *testing.T, media, body string) {
		r, _ := parseReply(media, []byte(body))
		if r == nil {
			t.Fatal("nil")
		}
		for name := range r {
			_ = r.text(name)
			_ = r.list(name)
			if d := r.seconds(name); d < 0 || d > 100*365*24*time.Hour {
				t.Errorf("%s: %s", name, d)
			}
		}
	})
}

func FuzzMoment(f *testing.F) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, s := range []string{"3600", "1e9", "1790000000", "1790000000000", "2026-11-20T10:00:00.1234567+02:00", "2026-11-20T10:00:00", "NaN", "Inf", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m := moment(s, now); !m.IsZero() && m.Location() != time.UTC {
			t.Error(m)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	k, err := newKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	at := place{"t", "c", []string{"row"}}
	sealed, _ := k.seal("hello", at).(string)
	f.Add(sealed)
	f.Add("mks1." + k.id + ".")
	f.Add("mks1..")
	for _, more := range []string{"\n", "\r", "=", "A", "."} {
		if _, err := (&ring{keys: []key{k}}).open(sql.NullString{String: sealed + more, Valid: true}, at); err == nil {
			f.Errorf("opens with %q behind it", more)
		}
	}
	f.Add("")
	r := &ring{keys: []key{k}, source: KeySource{Value: Secret(strings.Repeat("A", 43))}}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := r.open(sql.NullString{String: s, Valid: true}, at)
		if err == nil && got != "hello" { // workers seal with nonces of their own
			t.Errorf("%q opened as %q", s, string(got))
		}
	})
}

func TestSecretsOfOurOwn(t *testing.T) {
	seen := map[Secret]bool{}
	for range 200 {
		s := newSecret("mkk_")
		if seen[s] || !wellFormed("mkk_", s) || len(s) != 53 {
			t.Fatal(string(s))
		}
		seen[s] = true
		b := []byte(s)
		b[10] ^= 1
		if wellFormed("mkk_", Secret(b)) || wellFormed("mkt_", s) || wellFormed("mkk_", s[:len(s)-1]) {
			t.Error("a mangled key is taken for a whole one")
		}
	}
}
