package endpoint

import (
	"embed"
	"html"
	"maps"
	"net/http"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

//go:embed pages/*.html
var pageFiles embed.FS

var templates = page.Templates(pageFiles)

func pageReply(p *page.Page) (*oauth.Reply, error) {
	body, header, err := p.Render(templates())
	if err != nil {
		return nil, err
	}
	return &oauth.Reply{ContentType: header["Content-Type"], Body: body, Header: header}, nil
}

// errorPage tells a person what error JSON tells a program.
func errorPage(e *oauth.Error) (*oauth.Reply, error) {
	title := "This did not work"
	if e.Status >= http.StatusInternalServerError {
		title = "This does not work at the moment"
	}
	reply, err := pageReply(&page.Page{Title: title, Heading: title, Template: "error.html", Data: e})
	if err != nil {
		return nil, err
	}
	reply.Status = e.Status
	maps.Copy(reply.Header, e.Header)
	return reply, nil
}

// publicPage is what a browser is shown at BASE.
func (h *Handler) publicPage(q *request) (*oauth.Reply, error) {
	reply, err := pageReply(&page.Page{Title: "Token endpoint", Heading: "This token endpoint works", Template: "public.html", Data: struct {
		HasEndpoint             bool
		URL, LinkTags, OwnerURL string
	}{len(q.Settings.Endpoints) > 0, h.URL, h.linkTags(q.Settings), h.Authorize.OwnerClient()}})
	if err != nil {
		return nil, err
	}
	reply.Header["Cache-Control"] = "public, max-age=60"
	reply.Header["Vary"] = "Accept, Authorization"
	return reply, nil
}

// linkTags are what the owner's home page must contain to be discovered: the
// metadata, and both endpoints for clients that know no metadata.
func (h *Handler) linkTags(st *grant.Settings) string {
	base := html.EscapeString(h.URL)
	tags := `<link rel="token_endpoint" href="` + base + `">`
	if len(st.Endpoints) == 0 {
		return tags
	}
	return `<link rel="indieauth-metadata" href="` + base + "/metadata\">\n" +
		`<link rel="authorization_endpoint" href="` + base + "/authorize\">\n" + tags
}
