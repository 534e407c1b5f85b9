package discover

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"mintkeep/internal/oauth"
)

// A Profile is what a person publishes about themselves (IndieAuth section 5.3.4).
// What is missing or cannot be handed on is empty.
type Profile struct {
	Name  string `json:"name,omitempty"`
	URL   string `json:"url,omitempty"`
	Photo string `json:"photo,omitempty"` // http or https
	Email string `json:"email,omitempty"` // an address, without mailto:
}

// ReadProfile fetches the page of a person and reads their profile from it; trusted
// is as in Fetch. Nil without an error means that no h-card stands for the page.
func (c *Client) ReadProfile(ctx context.Context, me string, trusted []string) (*Profile, error) {
	p, err := c.Fetch(ctx, me, "text/html, application/xhtml+xml;q=0.9, */*;q=0.1", trusted)
	if err != nil {
		return nil, err
	}
	card := p.representativeCard(me)
	if card == nil {
		return nil, nil
	}
	return cardProfile(card, me), nil
}

// Links are where a page leads apps, as its Link header and its elements say.
type Links struct {
	URL          string // of the page, after redirects
	Header, HTML map[string][]string
}

// ReadLinks reads the links of a person's page to endpoints. Fetch says what trusted is.
func (c *Client) ReadLinks(ctx context.Context, page string, trusted []string) (*Links, error) {
	p, err := c.Fetch(ctx, page, "text/html", trusted)
	if err != nil {
		return nil, err
	}
	few := func(rels map[string][]string) map[string][]string {
		some := make(map[string][]string)
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "indieauth-metadata"} {
			for _, target := range rels[name] {
				if len(target) <= oauth.MaxURL && len(some[name]) < 3 {
					some[name] = append(some[name], target)
				}
			}
		}
		return some
	}
	return &Links{URL: p.URL.String(), Header: few(p.HeaderRels()), HTML: few(p.HTMLRels())}, nil
}

// maxURLs is how many URLs of one card are compared.
const maxURLs = 50

// representativeCard returns the h-card that stands for the page of me
// (https://microformats.org/wiki/representative-h-card-parsing): the first with the
// page's address as uid and url, or else with a url that is a rel=me link of the
// page, or else the only one, if the page's address is a url of it.
func (p *Page) representativeCard(me string) *item {
	relMe := p.Rels()["me"]
	cards := p.document().items("h-card")
	isPage := func(u string) bool { return oauth.SameURL(u, me) || oauth.SameURL(u, p.URL.String()) }
	for _, c := range cards {
		if isPage(first(c, "uid")) && slices.ContainsFunc(urls(c), isPage) {
			return c
		}
	}
	for _, c := range cards {
		if slices.ContainsFunc(urls(c), func(u string) bool { return slices.Contains(relMe, u) }) {
			return c
		}
	}
	if len(cards) == 1 && slices.ContainsFunc(urls(cards[0]), isPage) {
		return cards[0]
	}
	return nil
}

func urls(c *item) []string {
	all := values(c, "url")
	return all[:min(len(all), maxURLs)]
}

// cardProfile takes from a card what may be handed on to apps.
func cardProfile(c *item, me string) *Profile {
	p := &Profile{Name: cleanName(first(c, "name")), URL: me}
	if i := slices.IndexFunc(urls(c), func(u string) bool { return oauth.SameURL(u, me) }); i >= 0 {
		p.URL = urls(c)[i]
	}
	photo := first(c, "photo", "logo")
	if u, err := url.Parse(photo); err == nil && (u.Scheme == "https" || u.Scheme == "http") && len(photo) <= oauth.MaxURL {
		p.Photo = photo
	}
	if u, err := url.Parse(first(c, "email")); err == nil && u.Scheme == "mailto" {
		address, err := url.PathUnescape(u.Opaque)
		plain := oauth.IsPrintable(address) && !strings.ContainsAny(address, " <>")
		if err == nil && plain && strings.Contains(address, "@") && len(address) <= 254 {
			p.Email = address
		}
	}
	return p
}
