package endpoint

import (
	"context"
	"embed"
	"html"
	"maps"
	"net/http"
	"slices"
	"time"

	"mintkeep/endpoint/authorize"
	"mintkeep/endpoint/grant"
	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
	"mintkeep/internal/page"
)

//go:embed pages/*.html
var pageFiles embed.FS

var templates = page.Templates(pageFiles)

// errorPage tells a person what error JSON tells a program: what happened, what it
// means, and the way on.
func (h *Handler) errorPage(q *request, e *oauth.Error) (*oauth.Reply, error) {
	v := struct {
		*oauth.Error
		Next, App, Site, URL string
		Lasting              bool // the owner has to do something
	}{Error: e, Site: q.Settings.Site(), URL: h.URL, Lasting: e.Status >= http.StatusInternalServerError && h.URL != ""}
	title := "This sign-in did not work"
	v.Next = "Nobody got access. Go back to where you came from and begin again. The reason:"
	switch app, err := oauth.ParseClientID(q.param("client_id")); {
	case e.Status >= http.StatusInternalServerError:
		title, v.Next = "This does not work at the moment", "It is not your fault, and nobody got access. Try again in a minute. The reason:"
	case e.Status == http.StatusTooManyRequests:
		title = "Too many tries"
	case e.Status == http.StatusNotFound:
		title, v.Next = "Nothing here", "Follow a link of this site instead of typing its address. The reason:"
	case q.route == "authorize":
		title = "The app made a mistake"
		if err == nil {
			title, v.App = page.Short(app.String())+" made a mistake", app.String()
		}
		v.Next = "You did nothing wrong, and no access was given. Go back to the app and begin again. If it happens twice, its maker will want to read this:"
		if e.Code == "temporarily_unavailable" {
			title = "The app could not be looked up"
			v.Next = "You did nothing wrong, and no access was given. Go back to the app and begin again in a minute. " +
				"If it happens with every app, the host of this site lets programs reach no other site, and its owner has to ask there. The reason:"
		}
	}
	p := &page.Page{Title: title, Heading: title, Site: v.Site, Template: "error.html", Data: v}
	p.OfferSignOut(h.URL, h.Authorize.OwnerClient(), q.http.Cookies())
	reply, err := authorize.PageReply(p, templates())
	if err != nil {
		return nil, err
	}
	reply.Status = e.Status
	maps.Copy(reply.Header, e.Header)
	return reply, nil
}

// publicPage is what a browser is shown at BASE.
func (h *Handler) publicPage(q *request) (*oauth.Reply, error) {
	used, err := h.Grants.Used(q.ctx())
	if err != nil {
		return nil, err
	}
	p := &page.Page{Title: "Token endpoint", Site: q.Settings.Site(), Heading: "It runs. Now try it.", Template: "public.html",
		Lead: "This is the token endpoint of a site. Nobody has signed in here yet."}
	if used {
		p.Heading, p.Lead = "It works", "This is a token endpoint: it gives apps access to a site after its owner has allowed it, and tells the site which access is good."
	}
	v := struct {
		Used, Ready         bool
		URL, OwnerURL, Site string
		Endpoints           []string
		Lines               *Lines
	}{used, len(q.Settings.Endpoints) > 0, h.URL, h.Authorize.OwnerClient(), p.Site, q.Settings.Endpoints, nil}
	if v.Ready {
		of := q.Settings
		if q.http.UserAgent() == discover.UserAgent { // this is itself somebody's home page: looking would never end
			of = new(grant.Settings)
		}
		v.Lines = h.Lines(q.ctx(), of, linesLife)
	}
	p.Data = v
	signedIn := p.OfferSignOut(h.URL, v.OwnerURL, q.http.Cookies())
	reply, err := authorize.PageReply(p, templates())
	if err != nil {
		return nil, err
	}
	if used && !signedIn { // before, it changes as the owner goes on
		reply.Header["Cache-Control"] = "public, max-age=60"
	}
	reply.Header["Vary"] = "Accept, Authorization, Cookie"
	return reply, nil
}

// linesLife is how long what is on the home page holds: strangers cause the look.
const linesLife = 5 * time.Minute

// Lines are the <link> lines that lead apps here, and how many of them the home page
// has. Me is empty if no home page is known, Fault says why it could not be read.
type Lines struct {
	Tags, Me, Fault string
	Found, Total    int
}

// Lines looks at the home page for the lines, unless that was done within the last life.
func (h *Handler) Lines(ctx context.Context, st *grant.Settings, life time.Duration) *Lines {
	want := [][2]string{{"indieauth-metadata", h.URL + "/metadata"}, {"authorization_endpoint", h.URL + "/authorize"}, {"token_endpoint", h.URL}}
	v := &Lines{Me: st.Site(), Total: len(want)}
	var links *discover.Links
	var err error
	if v.Me != "" {
		if links, err = h.Authorize.Home(ctx, st, v.Me, life); err != nil {
			v.Fault = err.Error()
		}
	}
	for i, line := range want {
		if i > 0 {
			v.Tags += "\n"
		}
		v.Tags += `<link rel="` + line[0] + `" href="` + html.EscapeString(line[1]) + `">`
		if links != nil && (slices.Contains(links.Header[line[0]], line[1]) || slices.Contains(links.HTML[line[0]], line[1])) {
			v.Found++
		}
	}
	return v
}
