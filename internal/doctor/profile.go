package doctor

import (
	"context"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"

	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
)

// What a client finds at a person's page (case F3).

// A home is a person's page as a client sees it.
type home struct {
	*discover.Links
	site     *Site
	settings Settings
	works    bool // the token endpoint does
}

// page looks at the page of a person.
func (s *Site) page(ctx context.Context, st Settings, me string, works bool) []Finding {
	links, err := s.Home(ctx, me)
	if u, bad := url.Parse(me); err != nil && bad == nil && s.down[u.Host] {
		err = errSaid
	}
	if err != nil {
		f := unreachable(err, "the page %s cannot be read", me)
		f.Do += "; or correct the profile URL"
		return given(known(st, me), secure(me, ""), f)
	}
	p := &home{Links: links, site: s, settings: st, works: works}
	return given(known(st, me), secure(me, links.URL), ok("the page %s answers", me),
		p.rel("token_endpoint", s.URL), p.rel("authorization_endpoint", append(slices.Clone(st.Endpoints), s.URL+"/authorize")...), p.metadata(ctx))
}

// secure looks at the scheme of a page, and of where it redirected to.
func secure(me, final string) Finding {
	u, err := url.Parse(me)
	switch {
	case err != nil || u.Scheme == "https" || oauth.IsLoopback(u.Hostname()):
		return Finding{}
	case strings.HasPrefix(final, "https:"):
		return warn("sign in with the https address: to clients, http and https are two people", "%s redirects to https", me)
	}
	return fail("get a certificate (most hosts have a button for it) and use the https address", "%s is not https, so anybody on the way can put another endpoint into it", me)
}

// known fails for a profile that would be refused for not being a `me`.
func known(st Settings, asked string) Finding {
	if len(st.Me) > 0 && !slices.ContainsFunc(st.Me, func(me string) bool { return oauth.SameURL(me, asked) }) {
		return fail("correct the line `me:`, or change it on the page Settings", "%s gets no tokens: the setting me lists %s", asked, strings.Join(st.Me, ", ")).
			shell("mintkeep setting me", asked)
	}
	return Finding{}
}

// rel checks what a client finds for a relation: the first Link header, or
// else the first element. Both must lead to one of the wanted addresses: a trusted
// authorization endpoint or BASE/authorize.
func (p *home) rel(name string, wanted ...string) Finding {
	wanted = slices.DeleteFunc(wanted, func(w string) bool { return !strings.Contains(w, "://") }) // there may be no url
	header, page := p.Header[name], p.HTML[name]
	tag := `put <link rel="` + name + `" href="` + html.EscapeString(strings.Join(wanted[max(0, len(wanted)-1):], "")) + `"> into the <head> of the page`
	right := func(u string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return oauth.SameURL(u, w) })
	}
	switch {
	case len(header)+len(page) == 0:
		return fail(tag, "the page %s has no rel=%s", p.URL, name)
	case len(wanted) == 0:
		return Finding{} // nothing to compare with: another finding
	case len(header) > 0 && !right(header[0]):
		return fail("correct the Link header, or remove it and "+tag, "%s: the Link header's %s is %s", p.URL, name, header[0])
	case len(page) > 0 && !right(page[0]):
		return fail(tag+", in place of the wrong one", "%s: the page's %s is %s", p.URL, name, page[0])
	case len(page) == 0:
		return warn(tag+" too", "%s is only in the Link header, which some clients do not read (Micro.blog, obsidian-micropub)", name)
	}
	for _, u := range slices.Concat(header, page) {
		if !right(u) {
			return warn("remove the other one", "a second %s is advertised: %s", name, u)
		}
	}
	return ok("%s is %s", name, page[0])
}

// metadata is R35: clients that find it insist on an iss parameter, which
// plain Selfauth never sends.
func (p *home) metadata(ctx context.Context) Finding {
	found := slices.Concat(p.Header["indieauth-metadata"], p.HTML["indieauth-metadata"])
	if len(found) == 0 {
		return ok("no metadata is advertised; clients use the two rels (the front is ready for rel=indieauth-metadata)")
	}
	if !p.works && strings.HasPrefix(found[0], p.site.URL+"/") {
		return Finding{} // it comes from the token endpoint, which does not work
	}
	do := "remove rel=indieauth-metadata from the page and its Link header; the rels authorization_endpoint and token_endpoint do all that is needed"
	said := make(map[string]any)
	page, err := p.site.Fetch(ctx, found[0], "application/json") // it may be anywhere
	if err == nil {
		err = json.Unmarshal(page.Body, &said)
	}
	authorization, _ := said["authorization_endpoint"].(string)
	token, _ := said["token_endpoint"].(string)
	switch {
	case err != nil:
		return fail(do, "metadata is advertised at %s, but there is none: %v", found[0], err)
	case said["authorization_response_iss_parameter_supported"] != true:
		return fail(do, "metadata is advertised at %s, but the authorization endpoint does not send the iss parameter that clients then demand", found[0])
	case slices.Contains(p.settings.Endpoints, authorization) && p.site.madeUpCode(ctx, authorization).selfauth():
		return fail(do, "the metadata at %s names a plain Selfauth, which does not send the iss parameter that it promises", found[0])
	case !oauth.SameURL(token, p.site.URL):
		return fail("correct the metadata, or "+do, "the metadata at %s names another token endpoint: %s", found[0], token)
	case p.settings.Direct:
		return warn("when your apps have signed in through the front, set direct to off on the page Settings",
			"metadata is at %s, but codes of the endpoint behind it are still redeemed directly, without what the front adds", found[0]).
			shell("mintkeep setting direct off")
	}
	return ok("metadata is at %s", found[0])
}
