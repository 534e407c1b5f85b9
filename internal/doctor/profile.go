package doctor

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
)

// What a client finds at the profile URL.

// A profile is the owner's page as a client sees it.
type profile struct {
	site      *Site
	settings  Settings
	baseWorks bool
	asked     string
	last      *answer
	found     bool // whether the page is there
	inHeader  map[string][]string
	inHTML    map[string][]string
}

// profile fetches a profile page and reads its rels.
func (s *Site) profile(ctx context.Context, address string) *profile {
	p := &profile{site: s, asked: address, last: s.page(ctx, address)}
	p.found = p.last.err == nil && p.last.status == http.StatusOK
	if p.found {
		page := &discover.Page{URL: p.last.url, Header: p.last.header, Body: p.last.body}
		p.inHTML, p.inHeader = page.HTMLRels(), page.HeaderRels()
	}
	return p
}

func (p *profile) answers(context.Context) Finding {
	switch {
	case p.last.err != nil:
		what, do := explain(p.last.err)
		return fail(do, "the profile page %s cannot be fetched: %s", p.asked, what)
	case p.last.redirects():
		return fail("end the chain of redirects", "the profile page %s redirects more than %d times", p.asked, maxRedirects)
	case !p.found:
		return fail("correct the profile URL, or put a page there", "the profile page %s answers with status %d", p.asked, p.last.status)
	}
	return ok("the profile page %s answers", p.asked)
}

func (p *profile) secure(context.Context) Finding {
	u, err := url.Parse(p.asked)
	switch {
	case err != nil || u.Scheme == "https" || oauth.IsLoopback(u.Hostname()):
		return Finding{}
	case p.found && p.last.url.Scheme == "https":
		return warn("sign in with the https address: to clients, http and https are two people", "%s redirects to https", p.asked)
	}
	return fail("get a certificate (most hosts have a button for it) and use the https address", "the profile page is not https, so anybody on the way can put another endpoint into it")
}

// known fails for a profile that would be refused for not being a `me`.
func (p *profile) known(context.Context) Finding {
	if me := p.settings.Me; len(me) > 0 && !slices.ContainsFunc(me, func(me string) bool { return oauth.SameURL(me, p.asked) }) {
		return fail("mintkeep setting me "+p.asked, "%s gets no tokens: the setting me lists %s", p.asked, strings.Join(me, ", "))
	}
	return Finding{}
}

func (p *profile) tokenEndpoint(context.Context) Finding {
	return p.rel("token_endpoint", []string{p.site.URL})
}

// authorizationEndpoint must be a trusted endpoint or BASE/authorize.
func (p *profile) authorizationEndpoint(context.Context) Finding {
	wanted := slices.Clone(p.settings.Endpoints)
	if p.site.URL != "" {
		wanted = append(wanted, p.site.URL+"/authorize")
	}
	return p.rel("authorization_endpoint", wanted)
}

// rel checks what a client finds for a relation: the first Link header, or
// else the first element. Both must lead where they should.
func (p *profile) rel(name string, wanted []string) Finding {
	wanted = slices.DeleteFunc(slices.Clone(wanted), func(w string) bool { return w == "" })
	header, page := p.inHeader[name], p.inHTML[name]
	tag := `put <link rel="` + name + `" href="` + strings.Join(wanted[max(0, len(wanted)-1):], "") + `"> into the <head> of the page`
	right := func(u string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return oauth.SameURL(u, w) })
	}
	switch {
	case len(header)+len(page) == 0:
		return fail(tag, "the profile page has no rel=%s", name)
	case len(wanted) == 0:
		return Finding{} // nothing to compare with: another finding
	case len(header) > 0 && !right(header[0]):
		return fail("correct the Link header, or remove it and "+tag, "the Link header's %s is %s", name, header[0])
	case len(page) > 0 && !right(page[0]):
		return fail(tag+", in place of the wrong one", "the page's %s is %s", name, page[0])
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
func (p *profile) metadata(ctx context.Context) Finding {
	found := slices.Concat(p.inHeader["indieauth-metadata"], p.inHTML["indieauth-metadata"])
	if len(found) == 0 {
		return ok("no metadata is advertised; clients use the two rels (the front is ready for rel=indieauth-metadata)")
	}
	do := "remove rel=indieauth-metadata from the page and its Link header; the rels authorization_endpoint and token_endpoint do all that is needed"
	a := p.site.get(ctx, found[0], map[string]string{"Accept": "application/json"})
	said, isJSON := a.members()
	authorization, token := text(said["authorization_endpoint"]), text(said["token_endpoint"])
	switch {
	case !p.baseWorks && strings.HasPrefix(found[0], p.site.URL+"/"):
		return Finding{} // it comes from the token endpoint, which does not work
	case a.err != nil || a.status != http.StatusOK || !isJSON:
		return fail(do, "metadata is advertised at %s, but there is none (status %d)", found[0], a.status)
	case said["authorization_response_iss_parameter_supported"] != true:
		return fail(do, "metadata is advertised at %s, but the authorization endpoint does not send the iss parameter that clients then demand", found[0])
	case slices.Contains(p.settings.Endpoints, authorization) && p.site.madeUpCode(ctx, authorization).selfauth():
		return fail(do, "the metadata at %s names a plain Selfauth, which does not send the iss parameter that it promises", found[0])
	case !oauth.SameURL(token, p.site.URL):
		return fail("correct the metadata, or "+do, "the metadata at %s names another token endpoint: %s", found[0], token)
	case p.settings.Direct:
		return warn("when your apps have signed in through the front: mintkeep setting direct off",
			"metadata is at %s, but codes of the endpoint behind it are still redeemed directly, without what the front adds", found[0])
	}
	return ok("metadata is at %s", found[0])
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
