package provider

import (
	"errors"
	"net/http"

	"code.dny.dev/ssrf"

	"mintkeep/internal/oauth"
	"mintkeep/keeper/internal/fault"
)

// The owner names an issuer or an MCP server. Its documents name further addresses,
// for discovery, for registration and for every later request, and they are somebody
// else's: they must lead to nothing in the owner's own network.

// naming returns a client for addresses that the documents of a host name, which the
// owner named; "" is for addresses that are the owner's own words. A service on the
// owner's own machine is believed.
func (c Client) naming(host string) Client {
	if c.named = host; oauth.IsLoopback(host) {
		c.named = ""
	}
	return c
}

// to is what speaks with a host: Public, if only somebody's documents name it.
func (c Client) to(host string) http.Client {
	switch {
	case c.named != "" && c.named != host && c.Public != nil:
		return *c.Public
	case c.HTTP != nil:
		return *c.HTTP
	}
	return http.Client{}
}

// notPublic is the error if a request was refused because it led into the owner's
// network, else nil.
func (c Client) notPublic(req *http.Request, err error) error {
	if !errors.Is(err, ssrf.ErrProhibitedIP) {
		return nil
	}
	return &fault.Fault{Kind: fault.ErrInvalid, What: c.named + " leads to " + req.URL.Hostname() + ", which is not on the public web",
		Err: ssrf.ErrProhibitedIP, Hint: "if that is a server of your own, name its addresses yourself: -auth-url, -token-url"}
}
