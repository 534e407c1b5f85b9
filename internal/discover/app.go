package discover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"

	"mintkeep/internal/oauth"
)

// An App is what the page of a client_id says about the client.
type App struct {
	Name         string   // at most 80 characters, may be empty
	URI          string   // its home page, if that is on its own host
	RedirectURIs []string // absolute
	Document     bool     // it is a client metadata document, whose word is final
}

// maxDocument is how large a client metadata document may be, in bytes.
const maxDocument = 64 << 10

// Allows reports whether a browser may be sent back to an address that the app does
// not own by its origin or, as sameOrigin says, does. What a document lists is
// compared as it stands, but that without a port an address on loopback fits any.
func (a *App) Allows(redirect string, sameOrigin bool) bool {
	if !a.Document || a.RedirectURIs == nil {
		return sameOrigin || oauth.Listed(a.RedirectURIs, redirect)
	}
	return slices.ContainsFunc(a.RedirectURIs, func(l string) bool {
		u, err := oauth.Parse(l)
		return l == redirect || err == nil && u.Port() == "" && oauth.IsLoopback(u.Hostname()) && oauth.Listed([]string{l}, redirect)
	})
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
	if media != "application/json" && !strings.HasSuffix(media, "+json") {
		return p.app(), nil
	}
	if p.URL.String() != id.String() {
		return nil, fmt.Errorf("%w: it is reached by a redirect", ErrDocument)
	}
	return p.appFromJSON(clientID)
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

// ErrDocument is what is wrong with a client metadata document: its client gets nothing.
var ErrDocument = errors.New("its client metadata document cannot be used")

// appFromJSON reads a client metadata document (IndieAuth section 4.2.1, strictly:
// draft-ietf-oauth-client-id-metadata-document section 4). It fails with ErrDocument.
func (p *Page) appFromJSON(clientID string) (*App, error) {
	var doc struct {
		ClientID  string   `json:"client_id"`
		Name      string   `json:"client_name"`
		URI       string   `json:"client_uri"`
		Redirects []string `json:"redirect_uris"`
		Method    string   `json:"token_endpoint_auth_method"`
		Secret    any      `json:"client_secret"`
	}
	if len(p.Body) > maxDocument {
		return nil, fmt.Errorf("%w: it is larger than %d KB", ErrDocument, maxDocument>>10)
	}
	if err := json.Unmarshal(bytes.TrimPrefix(p.Body, []byte("\ufeff")), &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	switch {
	case oauth.ASCII(doc.ClientID) != clientID:
		return nil, fmt.Errorf("%w: it is that of %q", ErrDocument, doc.ClientID)
	case doc.Method != "" && doc.Method != "none" || doc.Secret != nil:
		return nil, fmt.Errorf("%w: it wants to prove itself with a secret (%s), which nobody gave it here", ErrDocument, doc.Method)
	}
	app := &App{Name: cleanName(doc.Name), RedirectURIs: doc.Redirects, Document: true}
	if u, err := oauth.Parse(doc.URI); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() == p.URL.Hostname() {
		app.URI = u.String()
	}
	return app, nil
}
