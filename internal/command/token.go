package command

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"mintkeep/endpoint"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
)

// The verbs about what was issued: token, server, log.

func tokenVerbs() []verb {
	return []verb{
		{"token", "list | revoke [ID…] [-client URL] [-all] [-me URL] | mint -me URL -client URL -scope WORDS | prune", "the tokens that were issued", tokenFlags, runToken},
		{"server", "add|remove|list [NAME]", "resource servers that may introspect", nil, runServer},
		{"log", "[-n N]", "what happened, newest last", logFlags, runLog},
	}
}

func tokenFlags(in *Command) {
	in.stringFlag("client", "", "the app's client_id, a `URL`")
	in.stringFlag("me", "", "with mint: your profile `URL`; with revoke: only this person's")
	in.stringFlag("scope", "", "with mint: the scope, `words` with spaces between")
	in.boolFlag("all", "with revoke: every token")
}

func runToken(in *Command) error {
	do := map[string]func(*Command, *endpoint.Handler) error{
		"list": listTokens, "revoke": revokeTokens, "mint": mintToken, "prune": pruneTokens}
	uses := map[string][]string{"revoke": {"client", "me", "all"}, "mint": {"client", "me", "scope"}}
	if len(in.args) == 0 || do[in.args[0]] == nil || in.args[0] != "revoke" && len(in.args) > 1 {
		return in.usageError()
	}
	for _, name := range []string{"client", "me", "scope", "all"} {
		if in.given(name) && !slices.Contains(uses[in.args[0]], name) {
			return in.usageError()
		}
	}
	s, done, err := in.server()
	if err != nil {
		return err
	}
	defer done()
	return do[in.args[0]](in, s)
}

func listTokens(in *Command, s *endpoint.Handler) error {
	st, err := s.Grants.Settings(in.ctx)
	if err != nil {
		return err
	}
	tokens, err := s.Grants.Tokens(in.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, t := range tokens {
		expiry := "never"
		if at, expires := t.Expiry(st); expires {
			expiry = timeText(at)
		}
		rows = append(rows, []string{shortID(t), t.ClientID, t.Scope, timeText(t.Created), timeText(t.LastUse), expiry, t.Status(st, in.Now())})
	}
	return in.list([]string{"id", "client", "scope", "created", "last_use", "expiry", "status"}, rows)
}

// shortID keeps php-mintoken's long ids readable; revoke takes a beginning.
func shortID(t *grant.Token) string { return t.ID[:min(16, len(t.ID))] }

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}

func revokeTokens(in *Command, s *endpoint.Handler) error {
	client, all, ids := *in.strings["client"], *in.bools["all"], in.args[1:]
	given := 0
	for _, selected := range []bool{client != "", all, len(ids) > 0} {
		if selected {
			given++
		}
	}
	if given != 1 {
		return in.usageError()
	}
	var n int
	var err error
	me := *in.strings["me"]
	if in.given("me") {
		if me, err = oauth.CanonicalURL(me); err != nil {
			return usageError("-me: " + err.Error())
		}
	}
	switch {
	case all:
		n, err = s.Grants.RevokeAll(in.ctx, me)
	case client != "":
		n, err = s.Grants.RevokeClient(in.ctx, me, client)
	}
	for _, id := range ids {
		if err = s.Grants.RevokeID(in.ctx, me, id); err != nil {
			break
		}
		n++
	}
	if err == nil || n > 0 {
		fmt.Fprintf(in.Stdout, "%d revoked\n", n)
	}
	return err
}

func mintToken(in *Command, s *endpoint.Handler) error {
	me, client, scope := *in.strings["me"], *in.strings["client"], *in.strings["scope"]
	if me == "" || client == "" || scope == "" {
		return in.usageError()
	}
	secret, err := s.Grants.Mint(in.ctx, me, client, scope)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(in.Stdout, string(secret))
	return err
}

func pruneTokens(in *Command, s *endpoint.Handler) error {
	st, err := s.Grants.Settings(in.ctx)
	if err != nil {
		return err
	}
	n, err := s.Grants.Prune(in.ctx, st)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(in.Stdout, "%d removed\n", n)
	return err
}

func runServer(in *Command) error {
	s, done, err := in.server()
	if err != nil {
		return err
	}
	defer done()
	switch {
	case len(in.args) == 2 && in.args[0] == "add":
		secret, err := s.Grants.AddServer(in.ctx, in.args[1])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(in.Stdout, string(secret))
		return err
	case len(in.args) == 2 && in.args[0] == "remove":
		return s.Grants.RemoveServer(in.ctx, in.args[1])
	case len(in.args) == 0 || len(in.args) == 1 && in.args[0] == "list":
		servers, err := s.Grants.Servers(in.ctx)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, v := range servers {
			rows = append(rows, []string{v.Name, timeText(v.Created), timeText(v.LastUse)})
		}
		return in.list([]string{"name", "created", "last_use"}, rows)
	}
	return in.usageError()
}

func logFlags(in *Command) { in.stringFlag("n", "50", "how many; 0 for all") }

func runLog(in *Command) error {
	n, err := strconv.Atoi(*in.strings["n"])
	if err != nil || n < 0 || len(in.args) > 0 {
		return in.usageError()
	}
	if n == 0 {
		n = -1
	}
	_, db, err := in.open()
	if err != nil {
		return err
	}
	defer db.Close()
	events, err := store.Events(in.ctx, db, 0, n)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, e := range slices.Backward(events) {
		rows = append(rows, []string{timeText(e.At), e.Kind, e.Me, e.ClientID, e.TokenID, e.Connection, e.Actor, e.Address, e.Detail})
	}
	return in.list([]string{"at", "event", "me", "client", "token", "connection", "actor", "address", "detail"}, rows)
}
