package authorize

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
)

const (
	nameLife       = 24 * time.Hour // how long the name of an app is kept
	nameTimeout    = 4 * time.Second
	profileLife    = time.Hour // how long a profile is kept
	profileTimeout = 3 * time.Second
)

// checkRedirect is IndieAuth section 4.2.2. The client's page is fetched if its
// redirect lies elsewhere or it may be a client metadata document, which may not allow
// all of its origin: those have a path. It is never fetched on loopback. strict is
// set where only documents are usual, for a resource: then none is guessed to be fine.
func (h *Handler) checkRedirect(ctx context.Context, r Request, a *grant.Pending, strict bool) error {
	if a.ClientID == "" {
		return oauth.InvalidRequest("the parameter client_id is missing")
	}
	if a.RedirectURI == "" {
		return oauth.InvalidRequest("the parameter redirect_uri is missing")
	}
	id, err := oauth.ParseClientID(a.ClientID)
	if err != nil {
		return oauth.InvalidRequest("the client_id " + a.ClientID + " cannot be an app's address: " + err.Error() + oauth.Mangled("client_id", a.ClientID))
	}
	to, err := oauth.ParseRedirect(a.RedirectURI)
	if err != nil {
		return oauth.InvalidRequest("the redirect_uri " + a.RedirectURI + " cannot be used: " + err.Error() + oauth.Mangled("redirect_uri", a.RedirectURI))
	}
	a.ClientID = oauth.ASCII(a.ClientID)
	if err := h.checkOwnAddress(a); err != nil {
		return err
	}
	same := oauth.SameOrigin(id, to)
	if same && (strings.Trim(id.Path, "/") == "" || oauth.IsLoopback(id.Hostname()) || a.ClientID == h.OwnerClient()) {
		return nil
	}
	return h.askApp(ctx, r, a, same, strict)
}

// askApp has the page of an app say whether its redirect may be used.
func (h *Handler) askApp(ctx context.Context, r Request, a *grant.Pending, same, strict bool) error {
	foreign := oauth.InvalidRequest("the redirect_uri " + a.RedirectURI + " lies elsewhere than the client_id " + a.ClientID +
		", which does not list it")
	if same {
		foreign.Description = "the client_id " + a.ClientID + " does not list the redirect_uri " + a.RedirectURI
	}
	if id, err := oauth.Parse(a.ClientID); err != nil || oauth.IsLoopback(id.Hostname()) {
		return foreign
	}
	release, err := h.Discover.WaitTurn(ctx, r.Address, a.ClientID)
	if err != nil && same && !strict {
		return nil
	}
	if err != nil {
		return oauth.Unavailable("too many apps are being looked at; try again in half a minute", err)
	}
	defer release()
	if r.Reservation, err = h.Grants.Reserve(ctx, r.Request, a.ClientID+" "+a.RedirectURI); err != nil {
		return err
	}
	app, err := h.Discover.ReadApp(ctx, a.ClientID)
	if err != nil {
		foreign.Cause = err
		foreign.Description = strings.TrimSuffix(foreign.Description, ", which does not list it") + ", and that page could not be read"
		if fault := discover.Fault(""); errors.As(err, &fault) {
			foreign.Description += ": " + fault.Error()
		}
		if errors.Is(err, discover.ErrNoAnswer) { // whose fault that is, nobody can say from here
			foreign.Code = "temporarily_unavailable"
			foreign.Description += ": " + discover.ErrNoAnswer.Error()
		}
		if errors.Is(err, discover.ErrDocument) {
			foreign.Description = "the client_id " + a.ClientID + " cannot be used: " + err.Error()
		}
		h.Log.Warn("page of an app not read", "client_id", a.ClientID, "error", err)
	}
	if err == nil && app.Allows(a.RedirectURI, same) || err != nil && same && !strict && !errors.Is(err, discover.ErrDocument) {
		return h.Grants.Settle(ctx, r.Request, a.ClientID, nil)
	}
	return h.Grants.Settle(ctx, r.Request, a.ClientID, foreign)
}

// checkOwnAddress keeps other clients from addresses below BASE: only the owner's
// pages are a client there.
func (h *Handler) checkOwnAddress(a *grant.Pending) error {
	owner := h.OwnerClient()
	if a.ClientID == owner && oauth.Under(owner, a.RedirectURI) {
		return nil
	}
	if a.ClientID == owner || oauth.Under(h.URL, a.RedirectURI) {
		return oauth.InvalidRequest("the redirect_uri " + a.RedirectURI + " is an address of this endpoint")
	}
	return nil
}

// Client is what an app calls itself, and its home page; "" if its page does not say
// or cannot be read in 4 seconds, or too many others are read: a person waits. It is
// kept for a day.
func (h *Handler) Client(ctx context.Context, clientID string) (name, uri string) {
	reading, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	return h.readClient(ctx, reading, clientID)
}

// readClient is Client for which the page is read until the second context ends.
func (h *Handler) readClient(ctx, reading context.Context, clientID string) (name, uri string) {
	if id, err := oauth.Parse(clientID); err != nil || oauth.IsLoopback(id.Hostname()) {
		return "", ""
	}
	text, err := h.Grants.CachedPage(ctx, h.Grants.Now().UTC(), "client", clientID, nameLife, func() (string, error) {
		release, err := h.Discover.Wait(reading, clientID)
		if err != nil {
			return "", err
		}
		defer release()
		app, err := h.Discover.ReadApp(reading, clientID)
		if err != nil {
			return "", err
		}
		return strings.TrimSuffix(app.Name+"\n"+app.URI, "\n"), nil
	})
	if err != nil {
		h.Log.Warn("name of an app not read", "client_id", clientID, "error", err)
	}
	name, uri, _ = strings.Cut(text, "\n")
	return name, uri
}

// ClientNames is what many apps call themselves, asked four at a time, in 4 seconds
// altogether: those that are not reached have no name this time.
func (h *Handler) ClientNames(ctx context.Context, clientIDs []string) map[string]string {
	reading, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	names := make([]string, len(clientIDs))
	var all sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, id := range clientIDs {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			names[i], _ = h.readClient(ctx, reading, id)
		})
	}
	all.Wait()
	found := make(map[string]string, len(names))
	for i, id := range clientIDs {
		found[id] = names[i]
	}
	return found
}

// Profile is what a person's page says about them, kept for an hour. A client waits
// at most 3 seconds for it. It is nil if there is no representative h-card, or if
// the page cannot be read.
func (h *Handler) Profile(ctx context.Context, st *grant.Settings, me string) *discover.Profile {
	ctx, cancel := context.WithTimeout(ctx, profileTimeout)
	defer cancel()
	text, err := h.Grants.CachedPage(context.WithoutCancel(ctx), h.Grants.Now().UTC(), "profile", me, profileLife, func() (string, error) {
		release, err := h.Discover.Wait(ctx, me)
		if err != nil {
			return "", err
		}
		defer release()
		p, err := h.Discover.ReadProfile(ctx, me, st.Me)
		if err != nil || p == nil {
			return "", err
		}
		text, err := json.Marshal(p)
		return string(text), err
	})
	if err != nil {
		h.Log.Warn("profile not read", "me", me, "error", err)
	}
	p := new(discover.Profile)
	if text == "" || json.Unmarshal([]byte(text), p) != nil {
		return nil
	}
	return p
}

// Home is where a person's page leads apps, or why it could not be read, as it was
// within the last life. A page of a host that is no `me` is asked for as a stranger's.
func (h *Handler) Home(ctx context.Context, st *grant.Settings, me string, life time.Duration) (*discover.Links, error) {
	var seen struct {
		Links *discover.Links
		Fault string
	}
	var fault error
	read := func() (string, error) {
		release, err := h.Discover.Wait(ctx, me)
		if err != nil {
			return "", err
		}
		defer release()
		if seen.Links, fault = h.Discover.ReadLinks(ctx, me, st.Me); fault != nil {
			seen.Fault = fault.Error()
		}
		text, err := json.Marshal(seen)
		return string(text), err
	}
	text, err := h.Grants.CachedPage(context.WithoutCancel(ctx), h.Grants.Now().UTC(), "home", me, life, read)
	if text == "" && err != nil && !errors.Is(err, discover.ErrBusy) { // a database that is not yet upgraded has no place for it
		text, err = read()
	}
	if text == "" || json.Unmarshal([]byte(text), &seen) != nil {
		return nil, cmp.Or(err, errors.New("it was not answered a moment ago"))
	}
	if seen.Links == nil {
		return nil, cmp.Or(fault, errors.New(seen.Fault))
	}
	return seen.Links, nil
}
