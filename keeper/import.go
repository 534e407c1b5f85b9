package keeper

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"mintkeep/keeper/internal/text"
	"mintkeep/keeper/provider"
)

// Imported is what became of one entry of an imported store.
type Imported struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`
	Result   string `json:"result"` // imported, or skipped and why
}

// ImportTokenKeep takes the providers and tokens of a TokenKeep database, which
// the caller has opened. What is already here under the same name is left
// alone, so an import can be repeated.
func (k *Keeper) ImportTokenKeep(ctx context.Context, from *sql.DB, user string) ([]Imported, error) {
	rows, err := from.QueryContext(ctx, `SELECT p.alias, p.client_id, p.client_secret, p.auth_url, p.token_url, coalesce(p.scopes, ''),
		coalesce(t.access_token, ''), coalesce(t.refresh_token, ''), coalesce(t.expires_at, 0)
		FROM providers p LEFT JOIN tokens t ON t.provider_id = p.id ORDER BY p.id`)
	if err != nil {
		return nil, &Fault{Kind: ErrInvalid, What: "this is not a TokenKeep database", Err: err}
	}
	defer rows.Close()
	done := []Imported{}
	for rows.Next() {
		p := provider.Provider{AuthStyle: provider.AuthBody}
		var secret, access, refresh string
		var expires int64
		if err := rows.Scan(&p.Name, &p.ClientID, &secret, &p.AuthURL, &p.TokenURL, &p.Scope, &access, &refresh, &expires); err != nil {
			return done, fmt.Errorf("reading the TokenKeep database: %w", err)
		}
		p.ClientSecret = Secret(secret)
		p.Lifetime = 3600 // as TokenKeep took it, where the site does not say
		if strings.Contains(p.Scope, ",") {
			p.Separator = ","
		}
		n := newImport(access, refresh)
		if expires > 0 {
			n.Token.Expires = time.Unix(expires, 0).UTC()
		}
		n.User = user
		result, err := (importer{k}).importOne(ctx, p, n)
		if err != nil {
			return done, err
		}
		done = append(done, result)
	}
	return done, rows.Err()
}

// importer adds entries of another program's store.
type importer struct{ *Keeper }

func newImport(access, refresh string) NewConnection {
	return NewConnection{Grant: GrantImported, Kind: KindOAuth2, Field: "access_token",
		Token: provider.TokenResponse{AccessToken: Secret(access), RefreshToken: Secret(refresh)}}
}

// revokeURL is where an imported provider revokes: as the preset of its name, on its
// own host (Zoho has one for each continent). It is "" if the two do not look alike.
func revokeURL(p provider.Provider) string {
	preset, err := provider.FromPreset(p.Name, p.Name, "")
	own, err1 := url.Parse(p.TokenURL)
	token, err2 := url.Parse(preset.TokenURL)
	to, err3 := url.Parse(preset.RevokeURL)
	if errors.Join(err, err1, err2, err3) != nil || preset.RevokeURL == "" || to.Host != token.Host || own.Path != token.Path {
		return ""
	}
	to.Scheme, to.Host = own.Scheme, own.Host
	return to.String()
}

// sameSite reports whether the tokens of an imported provider may go where those of a
// registered one do, which may know more addresses by now.
func sameSite(imported, here provider.Provider) bool {
	return here.ClientID == imported.ClientID && (imported.TokenURL == "" || here.TokenURL == imported.TokenURL) &&
		(imported.Issuer == "" || here.Issuer == imported.Issuer)
}

// importOne registers the provider if it is new, and keeps its token if that is new. What
// cannot be kept is skipped.
func (k importer) importOne(ctx context.Context, p provider.Provider, n NewConnection) (Imported, error) {
	n.Provider, n.Name = p.Name, cmp.Or(n.Name, p.Name)
	result, err := k.importChecked(ctx, p, n)
	if errors.Is(err, ErrInvalid) {
		result, err = "skipped: "+text.FirstLine(err.Error()), nil
	}
	return Imported{n.Name, p.Name, result}, err
}

// importChecked says what importOne did; ErrInvalid if it cannot be kept.
func (k importer) importChecked(ctx context.Context, p provider.Provider, n NewConnection) (string, error) {
	p.RevokeURL = cmp.Or(p.RevokeURL, revokeURL(p))
	err := k.Registry().Add(ctx, p)
	if errors.Is(err, ErrExists) {
		q := provider.Provider{}
		if q, err = k.Registry().Get(ctx, p.Name); err == nil && !sameSite(p, q) {
			return "skipped: another provider of that name is here already", nil
		}
	}
	if err != nil {
		return "", err
	}
	if n.Token.AccessToken == "" && n.Token.RefreshToken == "" {
		return "provider imported; it has no token: mintkeep connect " + text.ShellWord(p.Name), nil
	}
	if err := n.setDefaults(p); err != nil {
		return "", err
	}
	if _, err := k.load(ctx, k.DB, n.User, n.Name); !errors.Is(err, ErrUnknown) {
		return "skipped: already here", err
	}
	keys, err := k.Keys.Load()
	if err != nil {
		return "", err
	}
	_, err = k.saveConnection(ctx, keys, n, "imported", APIKey{})
	return "imported", err
}

// ImportPyAuthFlow takes a PyAuthFlow token store: a JSON object of objects,
// one for each client and issuer, by normalised scope. It needs no network; the
// issuer is asked for its endpoints when a token is first refreshed.
func (k *Keeper) ImportPyAuthFlow(ctx context.Context, from io.Reader, user string) ([]Imported, error) {
	type entry struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Client  string `json:"client_id"`
		Issuer  string `json:"issuer"`
	}
	store := map[string]map[string]entry{}
	if err := json.NewDecoder(io.LimitReader(from, 16<<20)).Decode(&store); err != nil {
		return nil, &Fault{Kind: ErrInvalid, What: "this is not a PyAuthFlow token store", Err: err}
	}
	done := []Imported{}
	for _, client := range slices.Sorted(maps.Keys(store)) {
		for _, scope := range slices.Sorted(maps.Keys(store[client])) {
			e := store[client][scope]
			if e.Client == "" || e.Issuer == "" || e.Access == "" && e.Refresh == "" {
				done = append(done, Imported{Name: scope, Result: "skipped: it holds no token (a flow that was never finished)"})
				continue
			}
			n := newImport(e.Access, e.Refresh)
			n.Token.Expires = provider.JWTExpiry(n.Token.AccessToken)
			n.User, n.Scope = user, provider.NormalScope(scope)
			if n.Token.Expires.IsZero() && e.Refresh != "" {
				n.Token.Expires = k.now() // its age is unknown, so it is refreshed before it is used
			}
			p := provider.Provider{Issuer: e.Issuer, ClientID: e.Client, AuthStyle: provider.AuthBody}
			result, err := (importer{k}).importEntry(ctx, p, n)
			if err != nil {
				return done, err
			}
			done = append(done, result)
		}
	}
	return done, nil
}

// importEntry finds names for a store that has none: the issuer's host, and a
// number where that is taken by another client or scope.
func (k importer) importEntry(ctx context.Context, p provider.Provider, n NewConnection) (Imported, error) {
	if c, err := k.Find(ctx, p.ClientID, p.Issuer, n.Scope); err == nil {
		return Imported{c.Name, c.Provider, "skipped: already here"}, nil
	} else if !errors.Is(err, ErrUnknown) {
		return Imported{}, err
	}
	host := "imported"
	if u, err := url.Parse(p.Issuer); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	var err error
	if p.Name, err = firstFree(host, func(name string) (bool, error) {
		q, err := k.Registry().Get(ctx, name)
		return errors.Is(err, ErrUnknown) || q.Issuer == p.Issuer && q.ClientID == p.ClientID, notUnknown(err)
	}); err != nil {
		return Imported{}, err
	}
	if n.Name, err = firstFree(p.Name, func(name string) (bool, error) {
		_, err := k.load(ctx, k.DB, cmp.Or(n.User, DefaultUser), name)
		return errors.Is(err, ErrUnknown), notUnknown(err)
	}); err != nil {
		return Imported{}, err
	}
	return k.importOne(ctx, p, n)
}

func notUnknown(err error) error {
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

func firstFree(name string, free func(string) (bool, error)) (string, error) {
	for i := 1; ; i++ {
		try := name
		if i > 1 {
			try = fmt.Sprintf("%s-%d", name, i)
		}
		if ok, err := free(try); ok || err != nil {
			return try, err
		}
	}
}
