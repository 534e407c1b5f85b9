package authorize

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
	"mintkeep/internal/secret"
)

//go:embed pages/*.html
var pageFiles embed.FS

var templates = page.Templates(pageFiles)

// ConsentParams are what the form of the consent page sends.
type ConsentParams struct {
	Flow, Scope, Answer string
}

// Consent is POST BASE/consent: what the owner allowed. The caller has made sure
// that no page of another site sent the form (page.SameSite).
func (h *Handler) Consent(ctx context.Context, r Request, p ConsentParams) (*oauth.Reply, error) {
	a, err := h.pending(ctx, r, secret.Secret(p.Flow))
	if err != nil {
		return nil, err
	}
	if a.GrantID == 0 {
		return nil, grant.ErrNotPending()
	}
	granted := allowed(a.Scope, p.Scope)
	if p.Answer != "allow" || a.Scope != "" && granted == "" && a.Resource == "" {
		if err := h.Grants.Refuse(ctx, r.Request, a); err != nil {
			return nil, err
		}
		return h.redirectPage(a, h.errorURL(a, oauth.AccessDenied("the request was declined")))
	}
	code, err := h.Grants.IssueCode(ctx, r.Request, a, granted)
	if err != nil {
		return nil, err
	}
	return h.redirectPage(a, h.codeURL(a, code, a.Person))
}

// allowed are the scopes that were both asked for and ticked.
func allowed(asked, ticked string) string {
	var granted []string
	for word := range strings.FieldsSeq(asked) {
		if oauth.HasScope(ticked, word) {
			granted = append(granted, word)
		}
	}
	return strings.Join(granted, " ")
}

// A scopeBox is a scope that can be ticked.
type scopeBox struct{ Scope, Words string }

// showConsent asks the owner which scopes an app gets, where the upstream did not.
func (h *Handler) showConsent(ctx context.Context, r Request, a *grant.Pending) (*oauth.Reply, error) {
	name, uri := h.Client(ctx, a.ClientID)
	if name == "" {
		name = page.Short(a.ClientID)
	}
	var boxes []scopeBox
	for scope := range strings.FieldsSeq(a.Scope) {
		boxes = append(boxes, scopeBox{scope, oauth.ScopeWords(scope)})
	}
	id, err1 := oauth.Parse(a.ClientID)
	to, err2 := oauth.Parse(a.RedirectURI)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	here := oauth.IsLoopback(to.Hostname())
	d := &page.Page{Title: "Let " + name + " in?", Site: a.Person, Form: true, Template: "consent.html", Data: struct {
		Person, Name, URI, Host, ClientID, RedirectURI, Action, Flow string
		To                                                           *url.URL
		Resource                                                     oauth.Resource
		Here, Elsewhere                                              bool
		Scopes                                                       []scopeBox
	}{a.Person, name, uri, id.Host, a.ClientID, a.RedirectURI, h.URL + "/consent", string(a.ID), to, a.Resource, here,
		to.Host != "" && !oauth.SameOrigin(id, to), boxes}}
	d.OfferSignOut(h.URL, h.OwnerClient(), r.Cookies)
	return PageReply(d, templates())
}

// redirectPage takes the browser from our form to the client with a page, not with
// a redirect: browsers compare every redirect after a form with form-action, also
// those that the client makes later.
func (h *Handler) redirectPage(a *grant.Pending, to string) (*oauth.Reply, error) {
	address := template.URL(to) // also of an app's own scheme, which html/template does not know
	r, err := PageReply(&page.Page{Title: "Back to the app", Heading: "Back to the app", Refresh: address, Template: "continue.html",
		Data: backLink{To: address, RedirectURI: oauth.ASCII(a.RedirectURI)}}, templates())
	if err != nil {
		return nil, err
	}
	r.Cookies = []*http.Cookie{h.deleteCookie(a)}
	return r, nil
}

// A backLink leads to the client.
type backLink struct {
	Fault       *oauth.Error // what the client did wrong; nil if nothing
	To          template.URL
	RedirectURI string
}

// faultPage says what is wrong with a client's request, with a link that tells the client.
func (h *Handler) faultPage(a *grant.Pending, fault *oauth.Error) (*oauth.Reply, error) {
	r, err := PageReply(&page.Page{Title: page.Short(a.ClientID) + " made a mistake", Heading: page.Short(a.ClientID) + " made a mistake",
		Lead: "The app asked for something that cannot be given.", Template: "continue.html",
		Data: backLink{fault, template.URL(h.errorURL(a, fault)), oauth.ASCII(a.RedirectURI)}}, templates())
	if err != nil {
		return nil, err
	}
	r.Status = http.StatusBadRequest
	return r, nil
}

// PageReply is a page, with a package's templates, as a reply.
func PageReply(p *page.Page, templates *template.Template) (*oauth.Reply, error) {
	body, header, err := p.Render(templates)
	if err != nil {
		return nil, err
	}
	return &oauth.Reply{ContentType: header["Content-Type"], Body: body, Header: header}, nil
}
