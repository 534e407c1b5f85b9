package command

import (
	"flag"
	"fmt"
	"slices"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
)

type tokenFlags struct {
	client, me, scope string
	all               bool
}

func tokenVerb(f *flag.FlagSet) action {
	o := new(tokenFlags)
	f.StringVar(&o.client, "client", "", "the app's client_id, a `URL`")
	f.StringVar(&o.me, "me", "", "with mint: your profile `URL`; with revoke: only this person's")
	f.StringVar(&o.scope, "scope", "", "with mint: the scope, `words` with spaces between")
	f.BoolVar(&o.all, "all", false, "with revoke: every token")
	return o.run
}

func (o *tokenFlags) run(c *Command) error {
	do := map[string]func(*Command, *grant.Store) error{"list": listTokens, "revoke": o.revoke, "mint": o.mint, "prune": pruneTokens}
	uses := map[string][]string{"revoke": {"client", "me", "all"}, "mint": {"client", "me", "scope"}}
	if len(c.args) == 0 || do[c.args[0]] == nil || c.args[0] != "revoke" && len(c.args) > 1 {
		return c.usage()
	}
	for _, name := range []string{"client", "me", "scope", "all"} {
		if c.given(name) && !slices.Contains(uses[c.args[0]], name) {
			return c.usage()
		}
	}
	return c.withGrants(func(s *grant.Store) error { return do[c.args[0]](c, s) })
}

func listTokens(c *Command, s *grant.Store) error {
	st, err := s.Settings(c.ctx)
	if err != nil {
		return err
	}
	tokens, err := s.Tokens(c.ctx)
	return list(c, "id client scope created last_use expiry status", tokens, err, func(t *grant.Token) []string {
		expiry := "never"
		if at := t.Expiry(st); !at.IsZero() {
			expiry = timeText(at)
		}
		id := t.ID[:min(16, len(t.ID))] // php-mintoken's are longer; revoke takes a beginning
		return []string{id, t.ClientID, t.Scope, timeText(t.Created), timeText(t.LastUse), expiry, t.Status(st, c.Now())}
	})
}

func (o *tokenFlags) revoke(c *Command, s *grant.Store) (err error) {
	ids, me := c.args[1:], o.me
	chosen := 0
	for _, b := range []bool{o.client != "", o.all, len(ids) > 0} {
		if b {
			chosen++
		}
	}
	if chosen != 1 {
		return c.usage()
	}
	if c.given("me") {
		if me, err = oauth.CanonicalURL(me); err != nil {
			return usageError("-me: " + err.Error())
		}
	}
	n := 0
	switch {
	case o.all:
		n, err = s.RevokeAll(c.ctx, me)
	case o.client != "":
		n, err = s.RevokeClient(c.ctx, me, o.client)
	}
	for _, id := range ids {
		if err = s.RevokeID(c.ctx, me, id); err != nil {
			break
		}
		n++
	}
	if err == nil || n > 0 {
		fmt.Fprintf(c.Stdout, "%d revoked\n", n)
	}
	return err
}

func (o *tokenFlags) mint(c *Command, s *grant.Store) error {
	if o.me == "" || o.client == "" || o.scope == "" {
		return c.usage()
	}
	token, err := s.Mint(c.ctx, o.me, o.client, o.scope)
	return c.println(string(token), err)
}

func pruneTokens(c *Command, s *grant.Store) error {
	st, err := s.Settings(c.ctx)
	if err != nil {
		return err
	}
	stop := c.progress("Removing what has been dead for 30 days", nil)
	n, err := s.Prune(c.ctx, st)
	stop()
	return c.println(fmt.Sprintf("%d removed", n), err)
}
