package provider_test

import (
	"fmt"
	"strings"
	"testing"

	"mintkeep/keeper/provider"
)

// answers are as long as is read, and have as many members as fit.
func answers() map[string]string {
	many := func(begin, member, end string) string {
		var b strings.Builder
		b.WriteString(begin)
		for n := 0; b.Len()+len(member)+len(end)+8 < 64<<10; n++ {
			fmt.Fprintf(&b, member+",", n)
		}
		return strings.TrimSuffix(b.String(), ",") + end
	}
	return map[string]string{
		"small members":   many(`{`, `"A_%d":1`, `}`),
		"objects":         many(`{"errors":[`, `{"a-%d":1}`, `]}`),
		"reasons":         many(`{"errors":[`, `"Reason %d"`, `]}`),
		"nested":          strings.Repeat(`{"data":`, 5000) + `{"error":"x"}` + strings.Repeat(`}`, 5000),
		"token in it":     many(`{"access_token":"a","x":{`, `"Expires_%d":1`, `}}`),
		"token far below": many(`{`, `"A-%d":{"b":1}`, `,"z":{"access_token":"a"}}`),
	}
}

// What a provider answers costs no more than its length: each member is looked at a few
// times, whatever there is to be found in it.
func TestWorkForAnAnswer(t *testing.T) {
	for name, body := range answers() {
		members := max(strings.Count(body, ":"), strings.Count(body, ","))
		for _, status := range []int{200, 400} {
			url, c := site(t, status, "application/json", body)
			allocs := testing.AllocsPerRun(1, func() { _, _ = c.Refresh(t.Context(), provider.Provider{TokenURL: url, ClientID: "c"}, "", "r") })
			if t.Logf("%s, %d: %.1f allocations a member", name, status, allocs/float64(members)); allocs > 40*float64(members) {
				t.Errorf("%s, %d: %.0f allocations for %d members", name, status, allocs, members)
			}
		}
	}
}

// An answer with a token is read up to 64 KB, and what is longer is told. A longer
// refusal, a web page perhaps, is what its beginning says.
func TestAnswerTooLong(t *testing.T) {
	refresh := func(status int, body string) error {
		url, c := site(t, status, "application/json", body)
		_, err := c.Refresh(t.Context(), provider.Provider{TokenURL: url, ClientID: "c"}, "", "r")
		return err
	}
	for length, fits := range map[int]bool{64 << 10: true, 64<<10 + 1: false} {
		const begin, end = `{"access_token":"a","x":"`, `"}`
		err := refresh(200, begin+strings.Repeat("x", length-len(begin+end))+end)
		if (err == nil) != fits || !fits && !strings.Contains(err.Error(), "longer than 64 KB") {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	err := refresh(403, "<html><title>Attention required</title>"+strings.Repeat("x", 100<<10))
	if err == nil || !strings.Contains(err.Error(), "a web page: Attention required") || provider.IsRefused(err) {
		t.Errorf("a long page: %v", err)
	}
}
