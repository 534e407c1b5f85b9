package endpoint

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"
)

// An appPage is what an app's client_id says about it.
type appPage struct {
	name      string
	redirects []string
}

// readClient fetches a client_id: a JSON client metadata document, or a page
// with an h-app (IndieAuth section 4.2). What another host answers is not the
// app's word: many sites have an address that redirects anywhere.
func (s *Server) readClient(ctx context.Context, clientID string) (*appPage, error) {
	id, err := parseClientID(clientID)
	if err != nil {
		return nil, err
	}
	if loopback(id) {
		return nil, errors.New("a page on loopback is not fetched")
	}
	p, err := s.fetch(ctx, clientID, "application/json, text/html;q=0.9, */*;q=0.1", nobody)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(p.url.Hostname(), id.Hostname()) {
		return nil, fmt.Errorf("it redirects to another host, %s", p.url.Hostname())
	}
	if media, _, _ := mime.ParseMediaType(p.header.Get("Content-Type")); media == "application/json" || strings.HasSuffix(media, "+json") {
		return readClientJSON(p, clientID)
	}
	root := parseHTML(p.body)
	base := baseOf(root, p.url)
	app := &appPage{redirects: p.rels(root, base, "redirect_uri")}
	for _, it := range items(root, base, "h-app", "h-x-app") {
		if app.name == "" {
			app.name = cleanName(it.name)
		}
	}
	return app, nil
}

// readClientJSON is IndieAuth section 4.2.1. A document that names another client
// is not about this one.
func readClientJSON(p *fetched, clientID string) (*appPage, error) {
	var doc struct {
		ClientID  string   `json:"client_id"`
		Name      string   `json:"client_name"`
		Redirects []string `json:"redirect_uris"`
	}
	if err := json.Unmarshal(p.body, &doc); err != nil {
		return nil, fmt.Errorf("its metadata cannot be read: %w", err)
	}
	if doc.ClientID != clientID && !(doc.ClientID != "" && sameClient(doc.ClientID, clientID)) {
		return nil, fmt.Errorf("its metadata is that of %q", doc.ClientID)
	}
	app := &appPage{name: cleanName(doc.Name), redirects: p.rels(nil, nil, "redirect_uri")}
	for _, r := range doc.Redirects {
		if u, err := p.url.Parse(r); err == nil {
			app.redirects = append(app.redirects, u.String())
		}
	}
	return app, nil
}

// cleanName makes a short line of what a stranger calls an app: nothing that
// turns the writing round or hides.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(name), " "))
	if short := []rune(name); len(short) > 80 {
		name = string(short[:80]) + "…"
	}
	return name
}

// How long what was read of strangers' pages counts, and how soon a page that did
// not answer is asked again.
const (
	nameLife    = 24 * time.Hour
	profileLife = time.Hour
	tryAgain    = 5 * time.Minute
	nameWait    = 4 * time.Second
)

// ClientName is what an app calls itself, "" if its page does not say or cannot
// be read. It is kept for a day.
func (s *Server) ClientName(ctx context.Context, clientID string) string {
	now := s.Now().UTC()
	if id, err := url.Parse(clientID); err != nil || loopback(id) {
		return ""
	}
	name, err := s.cached(ctx, now, "client", clientID, nameLife, func() (string, error) {
		reading, cancel := context.WithTimeout(ctx, nameWait) // a person waits
		defer cancel()
		app, err := s.readClient(reading, clientID)
		if err != nil {
			return "", err
		}
		return app.name, nil
	})
	if err != nil {
		s.Log.Warn("name of an app not read", "client_id", clientID, "error", err)
	}
	return name
}

// ClientNames asks many at once, a few at a time.
func (s *Server) ClientNames(ctx context.Context, clientIDs []string) map[string]string {
	names := make([]string, len(clientIDs))
	var all sync.WaitGroup
	turn := make(chan struct{}, 8)
	for i, id := range clientIDs {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			names[i] = s.ClientName(ctx, id)
		})
	}
	all.Wait()
	found := make(map[string]string, len(names))
	for i, id := range clientIDs {
		found[id] = names[i]
	}
	return found
}

// cached reads what a page said about an app or a person from the table of
// pages, and the page itself if that is too old. An old word is better than none;
// a page that did not answer is left in peace for a while.
func (s *Server) cached(ctx context.Context, now time.Time, about, page string, life time.Duration, read func() (string, error)) (string, error) {
	var said, tried string
	var fetched sql.NullString
	err := s.DB.QueryRowContext(ctx, `SELECT said, fetched, tried FROM pages WHERE about = ? AND url = ?`, about, page).Scan(&said, &fetched, &tried)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("reading what pages said: %w", err)
	}
	at, _ := parseStamp(fetched.String)
	last, _ := parseStamp(tried)
	if now.Sub(at) < life || now.Sub(last) < tryAgain {
		return said, nil
	}
	fresh, fault := read()
	if fault == nil {
		said, fetched = fresh, sql.NullString{String: stamp(now), Valid: true}
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pages (about, url, said, fetched, tried) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET said = excluded.said, fetched = excluded.fetched, tried = excluded.tried`,
			about, page, said, fetched, stamp(now))
		return err
	})
	return said, errors.Join(fault, err)
}
