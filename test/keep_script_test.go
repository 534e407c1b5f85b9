package test

import (
	"net/http/httptest"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"mintkeep/keeper/keepertest"
)

// box is the provider in a box of a script, beside $AUTH.
//
//	box start             at $BOX; its client and its user's password are secrets
//	box fail /token 2 503 the next two token requests fail
//	box kill              every grant is withdrawn
//	box counts login 2    so many requests arrived
//	box knows $TOKEN      the token is good; `! box knows` that it is not
func box(ts *testscript.TestScript, neg bool, args []string) {
	c := in(ts)
	if args[0] == "start" {
		b := keepertest.New()
		b.Now, b.Rotate, b.DetectReuse = testClock(c.clock), true, true
		srv := httptest.NewServer(b)
		ts.Defer(srv.Close)
		c.box = b
		c.secrets = append(c.secrets, keepertest.ClientSecret, keepertest.Password, "box-access-", "box-refresh-")
		for name, value := range map[string]string{"BOX": srv.URL, "BOX_CLIENT": keepertest.ClientID, "BOX_SECRET": keepertest.ClientSecret,
			"BOX_USER": keepertest.Username, "BOX_PASSWORD": keepertest.Password} {
			ts.Setenv(name, value)
		}
		return
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		ts.Check(err)
		return n
	}
	switch args[0] {
	case "fail":
		c.box.Fail(args[1], number(args[2]), number(args[3]), args[4:]...)
	case "kill":
		c.box.Kill()
	case "counts":
		if got := c.box.Count(args[1]); got != number(args[2]) {
			ts.Fatalf("%d requests", got)
		}
	case "knows":
		if c.box.Active(args[1]) == neg {
			ts.Fatalf("active: %v", neg)
		}
	default:
		ts.Fatalf("box %s?", args[0])
	}
}

// typed prints a text, so that `stdin stdout` hands it to the next command: a
// file would be searched for secrets.
func typed(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("printf", "%s\n", args[0]))
}
