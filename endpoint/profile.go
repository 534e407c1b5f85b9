package endpoint

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Profile is what a person publishes about themselves (IndieAuth section 5.3.4).
type Profile struct {
	Name  string `json:"name,omitempty"`
	URL   string `json:"url,omitempty"`
	Photo string `json:"photo,omitempty"`
	Email string `json:"email,omitempty"`
}

// profileTimeout bounds what the answer to a client waits for.
const profileTimeout = 3 * time.Second

// Profile reads the representative h-card of a person's page, kept for an hour.
// Nil means that there is none or that it cannot be read.
func (s *Server) Profile(ctx context.Context, st *Settings, me string) *Profile {
	ctx, cancel := context.WithTimeout(ctx, profileTimeout)
	defer cancel()
	text, err := s.cached(context.WithoutCancel(ctx), s.Now().UTC(), "profile", me, profileLife,
		func() (string, error) { return s.readProfile(ctx, st, me) })
	if err != nil {
		s.Log.Warn("profile not read", "me", me, "error", err)
	}
	p := new(Profile)
	if text == "" || json.Unmarshal([]byte(text), p) != nil {
		return nil
	}
	return p
}

func (s *Server) readProfile(ctx context.Context, st *Settings, me string) (string, error) {
	page, err := s.fetch(ctx, me, "text/html, application/xhtml+xml;q=0.9, */*;q=0.1", func(u *url.URL) bool { return st.named(u) })
	if err != nil {
		return "", err
	}
	root := parseHTML(page.body)
	card := representative(root, baseOf(root, page.url), me, page)
	if card == nil {
		return "", nil
	}
	text, err := json.Marshal(card.profile(me))
	return string(text), err
}

// named reports whether the owner named this host with a me setting.
func (st *Settings) named(u *url.URL) bool {
	return slices.ContainsFunc(st.Me, func(me string) bool { return strings.EqualFold(hostOf(me), u.Host) })
}

// representative is the h-card that stands for the page
// (https://microformats.org/wiki/representative-h-card-parsing).
func representative(root *html.Node, base *url.URL, me string, page *fetched) *item {
	cards := items(root, base, "h-card", "vcard")
	isPage := func(u string) bool { return samePage(u, me) || samePage(u, page.url.String()) }
	for _, c := range cards {
		if isPage(c.uid) && slices.ContainsFunc(c.url, isPage) {
			return c
		}
	}
	own := page.rels(root, base, "me")
	for _, c := range cards {
		if slices.ContainsFunc(c.url, func(u string) bool { return slices.Contains(own, u) }) {
			return c
		}
	}
	if len(cards) == 1 && slices.ContainsFunc(cards[0].url, isPage) {
		return cards[0]
	}
	return nil
}

func samePage(a, b string) bool {
	x, err1 := CanonicalURL(a)
	y, err2 := CanonicalURL(b)
	return err1 == nil && err2 == nil && x == y
}

// profile keeps of a card what may be handed on.
func (c *item) profile(me string) *Profile {
	p := &Profile{Name: cleanName(c.name), URL: me}
	for _, u := range c.url {
		if samePage(u, me) {
			p.URL = u
			break
		}
	}
	if u, err := url.Parse(c.photo); err == nil && (u.Scheme == "https" || u.Scheme == "http") && len(c.photo) <= maxURL {
		p.Photo = c.photo
	}
	if u, err := url.Parse(c.email); err == nil && u.Scheme == "mailto" {
		address, err := url.PathUnescape(u.Opaque)
		if err == nil && strings.Contains(address, "@") && len(address) <= 254 && printable(address) && !strings.ContainsAny(address, " <>") {
			p.Email = address
		}
	}
	return p
}

// granted is the part of a profile that the scopes open: nothing without
// profile, no e-mail address without email (IndieAuth section 5.3.4).
func (p *Profile) granted(scope string) *Profile {
	if p == nil || !hasScope(scope, "profile") {
		return nil
	}
	open := *p
	if !hasScope(scope, "email") {
		open.Email = ""
	}
	return &open
}

func hasScope(scope, word string) bool { return slices.Contains(strings.Fields(scope), word) }

// withProfile adds the profile to the answer to a client, which does without it
// if the page cannot be read.
func (s *Server) withProfile(q *request, st *Settings, answer fields, g *grant) fields {
	if !hasScope(g.scope, "profile") {
		return answer
	}
	if p := s.Profile(q.ctx(), st, g.me).granted(g.scope); p != nil {
		return append(answer, member{"profile", p})
	}
	return answer
}

// userinfo is GET BASE/userinfo (IndieAuth section 9): the profile, for a token
// with the scope of that name.
func (s *Server) userinfo(q *request) (*reply, error) {
	if q.bearer == "" {
		err := s.noBearer(q)
		q.answerForm = false
		return nil, err
	}
	t, st, err := s.check(q, q.bearer, "")
	if err != nil {
		return nil, bearerError(err)
	}
	if !hasScope(t.Scope, "profile") {
		return nil, &Error{Status: http.StatusForbidden, Code: "insufficient_scope", Description: "the token has no scope profile",
			Header: map[string]string{"WWW-Authenticate": `Bearer error="insufficient_scope", scope="profile"`}}
	}
	answer := fields{{"me", t.Me}}
	if p := s.Profile(q.ctx(), st, t.Me).granted(t.Scope); p != nil {
		for _, m := range []member{{"name", p.Name}, {"url", p.URL}, {"photo", p.Photo}, {"email", p.Email}} {
			if m.value != "" {
				answer = append(answer, m)
			}
		}
	}
	return encode(answer, false)
}
