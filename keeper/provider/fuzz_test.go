package provider

import (
	"testing"
	"time"
)

func FuzzReply(f *testing.F) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Add(`{"access_token":"a","expires_in":"3600"}`)
	f.Add(`access_token=a&expires_in=3600&error=`)
	f.Add(`<html>`)
	f.Add(`{"expires_in":1e400,"error":{"x":1}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, _ := parseFields([]byte(body))
		if r == nil {
			t.Fatal("nil")
		}
		for name := range r {
			_ = r.text(name)
			_ = r.list(name)
		}
		if end, _ := Ends(r, now); end.Year() > 5200 {
			t.Errorf("%s: %s", body, end)
		}
	})
}

func FuzzMoment(f *testing.F) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, s := range []string{"3600", "1e9", "1790000000", "1790000000000", "2026-11-20T10:00:00.1234567+02:00", "2026-11-20T10:00:00", "NaN", "Inf", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m := ParseTime(s, now); !m.IsZero() && m.Location() != time.UTC {
			t.Error(m)
		}
	})
}
