package endpoint

import (
	"embed"
	"html"
	"html/template"
	"net/http"
	"strings"

	"mintkeep/internal/page"
)

//go:embed pages/*.html
var pageFiles embed.FS

var templates = page.Templates(pageFiles)

func pageReply(p *page.Page) (*reply, error) {
	body, header, err := p.Render(templates())
	if err != nil {
		return nil, err
	}
	return &reply{contentType: header["Content-Type"], body: body, header: header}, nil
}

// errorPage tells a person what error JSON tells a program.
func errorPage(e *Error) (*reply, error) {
	title := "This did not work"
	if e.Status >= http.StatusInternalServerError {
		title = "This does not work at the moment"
	}
	rep, err := pageReply(&page.Page{Title: title, Heading: title, Template: "error.html", Data: e})
	if err != nil {
		return nil, err
	}
	for name, value := range e.Header {
		rep.header[name] = value
	}
	return rep, nil
}

// page is what a browser is shown at BASE.
func (s *Server) page(q *request) (*reply, error) {
	st, err := s.Settings(q.ctx())
	if err != nil {
		return nil, err
	}
	p, err := pageReply(&page.Page{Title: "Token endpoint", Heading: "This token endpoint works", Template: "public.html", Data: struct {
		HasEndpoint             bool
		URL, LinkTags, OwnerURL string
	}{len(st.Endpoints) > 0, s.URL, s.linkTags(st), s.OwnerClient()}})
	if err != nil {
		return nil, err
	}
	p.header["Cache-Control"] = "public, max-age=60"
	p.header["Vary"] = "Accept, Authorization"
	return p, nil
}

// linkTags are what the owner's home page must contain to be discovered: the
// front's metadata, and both endpoints for clients that know no metadata.
func (s *Server) linkTags(st *Settings) string {
	base := html.EscapeString(s.URL)
	tags := `<link rel="token_endpoint" href="` + base + `">`
	if len(st.Endpoints) == 0 {
		return tags
	}
	return `<link rel="indieauth-metadata" href="` + base + "/metadata\">\n" +
		`<link rel="authorization_endpoint" href="` + base + "/authorize\">\n" + tags
}

// A scopeBox is a scope that can be ticked.
type scopeBox struct{ Scope, Words string }

// consentPage asks which scopes an app gets, where the trusted endpoint did not ask.
func (s *Server) consentPage(f *flow, name string) (*reply, error) {
	title := "Allow this app?"
	if name != "" {
		title = "Allow " + name + "?"
	}
	var boxes []scopeBox
	for scope := range strings.FieldsSeq(f.scope) {
		boxes = append(boxes, scopeBox{scope, ScopeWords(scope)})
	}
	return pageReply(&page.Page{Title: title, Heading: title, Form: true, Template: "consent.html", Data: struct {
		Person, Name, ClientID, RedirectURI, Action, Flow string
		Scopes                                            []scopeBox
	}{f.person, name, f.clientID, f.redirectURI, s.URL + "/consent", string(f.id), boxes}})
}

// continuePage sends the browser on to a client whose redirect URI has been checked.
func continuePage(to, redirectURI string) (*reply, error) {
	address := template.URL(to) // also of an app's own scheme, which html/template does not know
	return pageReply(&page.Page{Title: "Back to the app", Heading: "Back to the app", Refresh: address, Template: "continue.html", Data: struct {
		To          template.URL
		RedirectURI string
	}{address, redirectURI}})
}
