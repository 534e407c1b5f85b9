package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	fetchTimeout   = 5 * time.Second // for one page with all its redirects
	fetchRedirects = 5
	maxPage        = 1 << 20 // of a page, what lies further down is not read
)

// A fetched is a page of somebody else's, read once.
type fetched struct {
	url    *url.URL // after redirects
	header http.Header
	body   []byte
}

// fetch reads a page that somebody named: with the plain client where the owner
// named its host, else with the guarded one, anew for each redirect.
func (s *Server) fetch(ctx context.Context, address, accept string, trusted func(*url.URL) bool) (*fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	at, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	for range fetchRedirects + 1 {
		page, next, err := s.fetchOne(ctx, s.clientFor(at, trusted), at, accept)
		if err != nil || next == nil {
			return page, err
		}
		at = next
	}
	return nil, errors.New("it redirects too often")
}

// clientFor is the client for an address, stopping at redirects.
func (s *Server) clientFor(at *url.URL, trusted func(*url.URL) bool) *http.Client {
	from := s.Guarded
	if trusted(at) {
		from = s.Client
	}
	if from == nil {
		return nil
	}
	c := *from
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

func (s *Server) fetchOne(ctx context.Context, c *http.Client, at *url.URL, accept string) (page *fetched, next *url.URL, err error) {
	if c == nil {
		return nil, nil, errors.New("there is no client for strangers' pages")
	}
	if at.Scheme != "http" && at.Scheme != "https" || at.User != nil {
		return nil, nil, fmt.Errorf("%q is not an address of the web", at.Redacted())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "mintkeep (IndieAuth)")
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		if next, err = resp.Location(); err == nil && len(next.String()) > maxURL {
			err = errors.New("it redirects to an address that is too long")
		}
		return nil, next, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("it answered with status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, nil, fmt.Errorf("reading it: %w", err)
	}
	return &fetched{url: at, header: resp.Header, body: body}, nil, nil
}

func nobody(*url.URL) bool { return false }
