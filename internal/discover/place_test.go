package discover

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestE1Places: four pages are read at once, one of a host and one for an address.
func TestE1Places(t *testing.T) {
	type ask struct{ who, page string }
	for _, c := range []struct {
		name   string
		places int
		taken  []ask
		ask    ask
		free   bool
	}{
		{"E1 a fifth page", 0, []ask{{"a", "https://1.example/"}, {"b", "https://2.example/"}, {"c", "https://3.example/"}, {"d", "https://4.example/"}}, ask{"e", "https://5.example/"}, false},
		{"a fourth", 0, []ask{{"a", "https://1.example/"}, {"b", "https://2.example/"}, {"c", "https://3.example/"}}, ask{"e", "https://5.example/"}, true},
		{"E1 a second for an address", 0, []ask{{"a", "https://1.example/"}}, ask{"a", "https://2.example/"}, false},
		{"a second of a host", 0, []ask{{"a", "https://1.example/"}}, ask{"b", "https://1.example/x"}, false},
		{"a second of a host, spelt otherwise", 0, []ask{{"a", "https://1.example/"}}, ask{"b", "http://1.EXAMPLE:8080/"}, false},
		{"a second of nobody knows whom", 0, []ask{{"", "https://1.example/"}}, ask{"", "https://2.example/"}, true},
		{"a host twice of nobody knows whom", 0, []ask{{"", "https://1.example/"}}, ask{"", "https://1.example/"}, false},
		{"CGI has one", 1, []ask{{"a", "https://1.example/"}}, ask{"b", "https://2.example/"}, false},
		{"CGI, the first", 1, nil, ask{"b", "https://2.example/"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := &Client{Places: c.places}
			var releases []func()
			for _, a := range c.taken {
				release, err := cl.Reserve(a.who, a.page)
				if err != nil {
					t.Fatal(err)
				}
				releases = append(releases, release)
			}
			release, err := cl.Reserve(c.ask.who, c.ask.page)
			if (err == nil) != c.free || err != nil && !errors.Is(err, ErrBusy) {
				t.Fatalf("%v", err)
			}
			if err == nil {
				release()
				return
			}
			for _, r := range releases {
				time.AfterFunc(50*time.Millisecond, r)
			}
			if _, err := cl.Wait(t.Context(), c.ask.page); err != nil {
				t.Errorf("it is free again: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := cl.Wait(ctx, c.ask.page); !errors.Is(err, ErrBusy) {
				t.Errorf("it was given twice: %v", err)
			}
		})
	}
}
