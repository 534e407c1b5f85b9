package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"

	"mintkeep/internal/oauth"
)

// An App is what the page of a client_id says about the client.
type App struct {
	Name         string   // at most 80 characters, may be empty
	RedirectURIs []string // absolute
}

// ReadApp fetches a client_id and reads it: a JSON client metadata document, or a
// page with an h-app (IndieAuth section 4.2). A page on loopback is not fetched. It
// fails if the page redirects to another host: many sites have an address that
// redirects anywhere, so that would not be the app's word.
func (c *Client) ReadApp(ctx context.Context, clientID string) (*App, error) {
	id, err := oauth.ParseClientID(clientID)
	if err != nil {
		return nil, err
	}
	if oauth.IsLoopback(id.Hostname()) {
		return nil, errors.New("a page on loopback is not fetched")
	}
	p, err := c.Fetch(ctx, clientID, "application/json, text/html;q=0.9, */*;q=0.1", nil)
	if err != nil {
		return nil, err
	}
	if p.URL.Hostname() != id.Hostname() {
		return nil, fmt.Errorf("it redirects to another host, %s", p.URL.Hostname())
	}
	media, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if media == "application/json" || strings.HasSuffix(media, "+json") {
		return p.appFromJSON(clientID)
	}
	return p.app(), nil
}

// app reads an HTML page: the name of the first h-app that has one (or h-x-app, its
// older name), and the links with rel=redirect_uri.
func (p *Page) app() *App {
	app := &App{RedirectURIs: p.Rels()["redirect_uri"]}
	for _, it := range p.document().items("h-app", "h-x-app") {
		if app.Name == "" {
			app.Name = cleanName(first(it, "name"))
		}
	}
	return app
}

// appFromJSON reads a client metadata document (IndieAuth section 4.2.1). It
// refuses one that names another client.
func (p *Page) appFromJSON(clientID string) (*App, error) {
	var doc struct {
		ClientID  string   `json:"client_id"`
		Name      string   `json:"client_name"`
		Redirects []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal(p.Body, &doc); err != nil {
		return nil, fmt.Errorf("its metadata cannot be read: %w", err)
	}
	if doc.ClientID != clientID && !(doc.ClientID != "" && oauth.SameURL(doc.ClientID, clientID)) {
		return nil, fmt.Errorf("its metadata is that of %q", doc.ClientID)
	}
	app := &App{Name: cleanName(doc.Name), RedirectURIs: p.HeaderRels()["redirect_uri"]}
	for _, r := range doc.Redirects {
		if u, err := p.URL.Parse(r); err == nil {
			app.RedirectURIs = append(app.RedirectURIs, u.String())
		}
	}
	return app, nil
}
