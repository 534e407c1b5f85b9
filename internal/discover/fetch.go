// Package discover fetches the pages of apps and people and reads what they say
// about themselves: the relations of Link headers and of link and a elements, an
// app's client metadata, a person's representative h-card.
//
// Whoever names a client_id chooses what is read here, so the size of a page, its
// tokens, its depth and the work of reading it are bounded (see parse).
package discover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"code.dny.dev/ssrf"

	"mintkeep/internal/oauth"
)

const (
	fetchTimeout = 5 * time.Second // for one page with all its redirects
	maxRedirects = 5
	maxPage      = 1 << 20 // bytes; what follows is not read
)

// UserAgent is how a Client says who it is.
const UserAgent = "mintkeep (IndieAuth)"

var errTooManyRedirects = errors.New("it redirects too often")

// ErrNoAnswer says that the network failed, on our side or on that of the page.
var ErrNoAnswer = errors.New("no answer came")

// A Fault is what stood in a page's place, such as a page of a filter. Whoever named
// the page may be told; other errors may name what only this machine sees.
type Fault string

func (f Fault) Error() string { return string(f) }

// A Client fetches pages. Who is about to read one takes a place first (Reserve, Wait).
type Client struct {
	Public  *http.Client // for addresses that strangers name: PublicOnlyClient
	Trusted *http.Client // for the hosts that the owner named
	Places  int          // how many pages may be read at once, see Reserve; 0 is four

	mu    sync.Mutex
	taken [][2]string // host and asker of each place that is taken
}

// A Page is a page of somebody else's as it was fetched.
type Page struct {
	URL    *url.URL // after redirects
	Header http.Header
	Body   []byte // at most 1 MB

	parsed *document // see document
}

// Fetch gets a page with all its redirects in at most 5 seconds. Hosts of the given
// trusted URLs are asked with the Trusted client, all others, also those that a
// trusted one redirects to, with the Public one. It fails unless the last status is 200.
func (c *Client) Fetch(ctx context.Context, address, accept string, trusted []string) (*Page, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	at, err := oauth.Parse(address)
	if err != nil {
		return nil, err
	}
	for range maxRedirects + 1 {
		client := c.Public
		if slices.ContainsFunc(trusted, func(t string) bool { return oauth.HostOf(t) == at.Host }) {
			client = c.Trusted
		}
		page, next, err := fetchOne(ctx, client, at, accept)
		if err != nil || next == nil {
			return page, err
		}
		at = next
	}
	return nil, errTooManyRedirects
}

// fetchOne returns either the page or the address that it redirects to.
func fetchOne(ctx context.Context, client *http.Client, at *url.URL, accept string) (page *Page, next *url.URL, err error) {
	if client == nil {
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
	req.Header.Set("User-Agent", UserAgent)
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if errors.Is(err, ssrf.ErrProhibitedIP) {
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		if next, err = resp.Location(); err != nil {
			return nil, nil, err
		}
		if len(next.String()) > oauth.MaxURL {
			return nil, nil, errors.New("it redirects to an address that is too long")
		}
		next, err = oauth.Parse(next.String())
		return nil, next, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, nil, fmt.Errorf("%w to its end: %w", ErrNoAnswer, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, Fault(fmt.Sprintf("it answered with status %d%s", resp.StatusCode, oauth.FirstWords(body)))
	}
	return &Page{URL: at, Header: resp.Header, Body: body}, nil, nil
}
