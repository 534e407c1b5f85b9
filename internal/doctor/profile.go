package doctor

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mintkeep/endpoint"
)

// What a client finds at the profile URL.

// maxRedirects is how many a client follows at least (IndieAuth section 4.1).
const maxRedirects = 5

// A profile is the owner's page as a client sees it.
type profile struct {
	site     *Site
	asked    string
	last     *answer
	page     *url.URL // where the page was in the end; nil if there is none
	inHeader map[string][]string
	inHTML   map[string][]string
}

// visit fetches the profile page and reads its rels.
func (s *Site) visit(ctx context.Context, address string) *profile {
	p := &profile{site: s, asked: address}
	for range maxRedirects + 1 {
		p.last = s.get(ctx, address, map[string]string{"Accept": "text/html"})
		if !p.last.redirects() {
			break
		}
		if from, err := url.Parse(address); err == nil {
			if to, err := from.Parse(p.last.header.Get("Location")); err == nil {
				address = to.String()
			}
		}
	}
	u, err := url.Parse(address)
	if err != nil || p.last.err != nil || p.last.status != http.StatusOK {
		return p
	}
	p.page = u
	p.inHTML, p.inHeader = endpoint.HTMLRels(p.last.body, u), endpoint.HeaderRels(p.last.header.Values("Link"), u)
	return p
}

func (p *profile) answers(context.Context) Finding {
	switch {
	case p.last.err != nil:
		what, do := explain(p.last.err)
		return fail(do, "the profile page %s cannot be fetched: %s", p.asked, what)
	case p.last.redirects():
		return fail("end the chain of redirects", "the profile page %s redirects more than %d times", p.asked, maxRedirects)
	case p.page == nil:
		return fail("correct the profile URL, or put a page there", "the profile page %s answers with status %d", p.asked, p.last.status)
	}
	return ok("the profile page %s answers", p.asked)
}

func (p *profile) secure(context.Context) Finding {
	u, err := url.Parse(p.asked)
	switch {
	case err != nil || u.Scheme == "https" || loopback(u.Hostname()):
		return Finding{}
	case p.page != nil && p.page.Scheme == "https":
		return warn("sign in with the https address: to clients, http and https are two people", "%s redirects to https", p.asked)
	}
	return fail("get a certificate (most hosts have a button for it) and use the https address", "the profile page is not https, so anybody on the way can put another endpoint into it")
}

// known fails for a profile that would be refused for not being a `me`.
func (p *profile) known(st Settings) check {
	return func(context.Context) Finding {
		same := func(me string) bool { return sameURL(me, p.asked) }
		if len(st.Me) == 0 || slices.ContainsFunc(st.Me, same) {
			return Finding{}
		}
		return fail("mintkeep setting me "+p.asked, "%s gets no tokens: the setting me lists %s", p.asked, strings.Join(st.Me, ", "))
	}
}

func (p *profile) tokenEndpoint(context.Context) Finding {
	return p.rel("token_endpoint", []string{p.site.URL})
}

// authorizationEndpoint must be one whose codes are checked with an endpoint that is trusted.
func (p *profile) authorizationEndpoint(st Settings) check {
	return func(context.Context) Finding {
		wanted := slices.Clone(st.Endpoints)
		if p.site.URL != "" {
			wanted = append(wanted, p.site.URL+"/authorize")
		}
		return p.rel("authorization_endpoint", wanted)
	}
}

// rel checks what a client finds for a relation: the first Link header, or
// else the first element. Both must lead where they should.
func (p *profile) rel(name string, wanted []string) Finding {
	wanted = slices.DeleteFunc(slices.Clone(wanted), func(w string) bool { return w == "" })
	header, page := p.inHeader[name], p.inHTML[name]
	tag := `put <link rel="` + name + `" href="` + strings.Join(wanted[max(0, len(wanted)-1):], "") + `"> into the <head> of the page`
	right := func(u string) bool { return slices.ContainsFunc(wanted, func(w string) bool { return sameURL(u, w) }) }
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
func (p *profile) metadata(st Settings, baseWorks bool) check {
	return func(ctx context.Context) Finding {
		found := slices.Concat(p.inHeader["indieauth-metadata"], p.inHTML["indieauth-metadata"])
		if len(found) == 0 {
			return ok("no metadata is advertised; clients use the two rels (the front is ready for rel=indieauth-metadata)")
		}
		do := "remove rel=indieauth-metadata from the page and its Link header; the rels authorization_endpoint and token_endpoint do all that is needed"
		a := p.site.get(ctx, found[0], map[string]string{"Accept": "application/json"})
		said, isJSON := a.members()
		endpoint, _ := said["authorization_endpoint"].(string)
		switch {
		case !baseWorks && strings.HasPrefix(found[0], p.site.URL+"/"):
			return Finding{} // it comes from the token endpoint, which does not work
		case a.err != nil || a.status != http.StatusOK || !isJSON:
			return fail(do, "metadata is advertised at %s, but there is none (status %d)", found[0], a.status)
		case said["authorization_response_iss_parameter_supported"] != true:
			return fail(do, "metadata is advertised at %s, but the authorization endpoint does not send the iss parameter that clients then demand", found[0])
		case slices.Contains(st.Endpoints, endpoint) && p.site.madeUpCode(ctx, endpoint).selfauth():
			return fail(do, "the metadata at %s names a plain Selfauth, which does not send the iss parameter that it promises", found[0])
		case !sameURL(text(said["token_endpoint"]), p.site.URL):
			return fail("correct the metadata, or "+do, "the metadata at %s names another token endpoint: %s", found[0], text(said["token_endpoint"]))
		}
		if st.Direct {
			return warn("when your apps have signed in through the front: mintkeep setting direct off",
				"metadata is at %s, but codes of the endpoint behind it are still redeemed directly, without what the front adds", found[0])
		}
		return ok("metadata is at %s", found[0])
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
