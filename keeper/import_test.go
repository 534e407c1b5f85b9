package keeper_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/provider"
)

func TestImportTokenKeep(t *testing.T) {
	h := newHouse(t)
	access, refresh := h.box.Grant("crm")
	db, err := sql.Open("sqlite3", filepath.Join(t.TempDir(), "tokenkeep.sqlite"))
	check(t, err)
	defer db.Close()
	_, err = db.Exec(`CREATE TABLE providers (id INTEGER PRIMARY KEY AUTOINCREMENT, alias TEXT UNIQUE NOT NULL, client_id TEXT NOT NULL,
		client_secret TEXT NOT NULL, auth_url TEXT NOT NULL, token_url TEXT NOT NULL, scopes TEXT, redirect_uri TEXT NOT NULL);
		CREATE TABLE tokens (provider_id INTEGER PRIMARY KEY, access_token TEXT NOT NULL, refresh_token TEXT, expires_at INTEGER NOT NULL,
		updated_at INTEGER NOT NULL, FOREIGN KEY (provider_id) REFERENCES providers(id) ON DELETE CASCADE)`)
	check(t, err)
	for i, row := range [][]any{{"crm", h.url}, {"empty", h.url}, {"plain", "http://insecure.example"}} {
		_, err = db.Exec(`INSERT INTO providers VALUES (?, ?, ?, ?, ?, ?, 'b, a', 'http://localhost:8000/callback.php')`, i+1, row[0], keepertest.ClientID,
			keepertest.ClientSecret, row[1].(string)+"/authorize", row[1].(string)+"/token")
		check(t, err)
	}
	expires := h.clock.now().Add(30 * time.Minute)
	_, err = db.Exec(`INSERT INTO tokens VALUES (1, ?, ?, ?, 0), (3, 'x', NULL, 1, 0)`, access, refresh, expires.Unix())
	check(t, err)
	ctx := context.Background()
	done, err := h.ImportTokenKeep(ctx, db, "")
	check(t, err)
	got := fmt.Sprint(done)
	for _, want := range []string{"{crm crm imported}", "it has no token: mintkeep connect empty", "{plain plain skipped: http://insecure.example/authorize is not https}"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q: %s", want, got)
		}
	}
	c, err := h.Connection(ctx, "owner", "crm")
	check(t, err)
	equal(t, "expires", c.Expires, expires.UTC())
	equal(t, "scope", c.Scope, "a b")
	token, err := h.Token(ctx, "owner", "crm", time.Minute)
	check(t, err)
	equal(t, "token", string(token.AccessToken), access)
	h.clock.pass(time.Hour)
	token, err = h.Token(ctx, "owner", "crm", time.Minute)
	check(t, err)
	equal(t, "refreshed", token.Refreshed, true)
	done, err = h.ImportTokenKeep(ctx, db, "")
	check(t, err)
	equal(t, "again", done[0].Result, "skipped: already here")
	_, err = h.ImportTokenKeep(ctx, h.DB, "")
	wants(t, err, keeper.ErrInvalid)
}

// A provider of that name may be another site, or another client of it, which is not to
// see the token.
func TestImportIntoAnotherProvider(t *testing.T) {
	for _, change := range []func(*provider.Provider){
		func(p *provider.Provider) { p.TokenURL = "https://elsewhere.example/token" },
		func(p *provider.Provider) { p.ClientID = "another" },
		func(*provider.Provider) {},
	} {
		h := newHouse(t)
		same := false
		h.provider(func(p *provider.Provider) {
			before := *p
			change(p)
			same = p.TokenURL == before.TokenURL && p.ClientID == before.ClientID
		})
		db, err := sql.Open("sqlite3", filepath.Join(t.TempDir(), "tokenkeep.sqlite"))
		check(t, err)
		defer db.Close()
		_, err = db.Exec(`CREATE TABLE providers (id INTEGER PRIMARY KEY, alias, client_id, client_secret, auth_url, token_url, scopes);
			CREATE TABLE tokens (provider_id INTEGER PRIMARY KEY, access_token, refresh_token, expires_at INTEGER);
			INSERT INTO tokens VALUES (1, 'an-access-token', 'a-refresh-token', 0)`)
		check(t, err)
		_, err = db.Exec(`INSERT INTO providers VALUES (1, 'box', ?, 's', ?, ?, '')`, keepertest.ClientID, h.url+"/authorize", h.url+"/token")
		check(t, err)
		done, err := h.ImportTokenKeep(context.Background(), db, "")
		check(t, err)
		want := "skipped: another provider of that name is here already"
		if same {
			want = "imported"
		}
		equal(t, "result", done[0].Result, want)
		_, err = h.Connection(context.Background(), "owner", "box")
		equal(t, "kept", err == nil, same)
	}
}

func TestImportPyAuthFlow(t *testing.T) {
	h := newHouse(t)
	h.box.Public = true
	ctx := context.Background()
	_, refresh := h.box.Grant("openid")
	jwt := "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, h.clock.now().Add(time.Hour).Unix())) + ".x"
	store := fmt.Sprintf(`{"0123abcd":{
		"email openid":{"access_token":"opaque","refresh_token":%q,"client_id":%q,"issuer":%q},
		"openid":{"access_token":%q,"client_id":%q,"issuer":%q},
		"offline_access openid":{"_pending_auth_code":{"redirect_uri":"http://localhost","state":"s","code_verifier":"v"}}}}`,
		refresh, keepertest.ClientID, h.url, jwt, keepertest.ClientID, h.url)
	done, err := h.ImportPyAuthFlow(ctx, strings.NewReader(store), "ada")
	check(t, err)
	equal(t, "entries", fmt.Sprint(done), "[{127.0.0.1 127.0.0.1 imported} {offline_access openid  skipped: it holds no token (a flow that was never finished)} {127.0.0.1-2 127.0.0.1 imported}]")
	c, err := h.Find(ctx, keepertest.ClientID, h.url, "openid", "email")
	check(t, err)
	token, err := h.Token(ctx, c.User, c.Name, time.Minute) // discovers the endpoints
	check(t, err)
	equal(t, "refreshed", token.Refreshed && h.box.Active(string(token.AccessToken)), true)
	c, err = h.Find(ctx, keepertest.ClientID, h.url, "openid")
	check(t, err)
	equal(t, "expires from the JWT", c.Expires, h.clock.now().Add(time.Hour).UTC())
	p, err := h.Registry().Get(ctx, "127.0.0.1")
	check(t, err)
	equal(t, "discovered", p.RevokeURL, h.url+"/revoke")
	done, err = h.ImportPyAuthFlow(ctx, strings.NewReader(store), "ada")
	check(t, err)
	equal(t, "again", done[0].Result, "skipped: already here")
	_, err = h.ImportPyAuthFlow(ctx, strings.NewReader("nonsense"), "")
	wants(t, err, keeper.ErrInvalid)
}

// A revocation that waits ends with its provider: another one that gets the name is not
// sent the token.
func TestQueuedRevocationOfARemovedProvider(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	h.provider()
	h.connect()
	h.box.Fail("/revoke", 1, 503)
	o, err := h.Forget(ctx, "owner", "box", keeper.Policy{RevokeOnline: true, EvenIfRevokeFails: true})
	check(t, err)
	equal(t, "result", o.Result, keeper.Queued)
	check(t, h.Registry().Remove(ctx, "box"))
	equal(t, "told", h.events("revocation"), 1)
	asked := 0
	h.Client = answering(func(string) (int, string) { asked++; return 200, "{}" })
	h.provider(func(p *provider.Provider) {
		p.Issuer, p.TokenURL, p.RevokeURL = "", "https://elsewhere.example/token", "https://elsewhere.example/revoke"
	})
	h.clock.pass(2 * time.Hour)
	done, err := h.RefreshDue(ctx, 0)
	check(t, err)
	equal(t, "revocations", len(done), 0)
	equal(t, "asked elsewhere", asked, 0)
}
