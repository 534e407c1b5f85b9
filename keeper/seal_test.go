package keeper_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// sealedHouse has a secret in every sealed column that a quiet house can have.
func sealedHouse(t *testing.T) *house {
	h := newHouse(t)
	h.box.Rotate = true
	h.provider()
	h.connect()
	h.clock.pass(2 * time.Hour)
	_, err := h.token() // fills previous_refresh_token
	check(t, err)
	check(t, h.Registry().Add(context.Background(), provider.Provider{Name: "json", AuthStyle: provider.AuthBody, Options: provider.Options{Login: jsonLogin(h.url)}}))
	_, err = h.Connect(context.Background(), keeper.Target{Provider: "json"}, "", ask(keepertest.Password))
	check(t, err)
	_, err = h.Browser().Ticket(context.Background(), keeper.Target{Provider: "box"}, keeper.Ask{})
	check(t, err)
	return h
}

func TestPlantedSecretsNowhere(t *testing.T) {
	h := sealedHouse(t)
	key, err := h.APIKeys().Add(context.Background(), keeper.APIKey{Name: "cron", Write: true})
	check(t, err)
	h.do(key, "POST", "v2/users/u/tokens", `{"integration_key":"k","provider":"openai","token_type":"api_key","token_data":{"api_key":"box-planted-secret"}}`)
	h.box.Fail("/token", 1, 400, `{"error":"invalid_grant","error_description":"no box-refresh-000004-secret here"}`)
	_, _ = h.Refresh(context.Background(), "owner", "box")
	h.box.Kill()
	_, err = h.Refresh(context.Background(), "owner", "box")
	fmt.Fprint(h.log, err)
	key2, _ := os.ReadFile(strings.TrimSuffix(h.path, ".db") + ".key")
	planted := []string{"box-access-", "box-refresh-", "box-planted-secret", keepertest.Password, keepertest.ClientSecret, string(key), string(key2)}
	files, err := filepath.Glob(filepath.Dir(h.path) + "/*")
	check(t, err)
	texts := map[string][]byte{"log": h.log.Bytes()}
	for _, f := range files {
		if !strings.HasSuffix(f, ".key") {
			texts[f], err = os.ReadFile(f)
			check(t, err)
		}
	}
	for where, text := range texts {
		for _, secret := range planted {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %.12s...", where, secret)
			}
		}
	}
	if !bytes.Contains(h.log.Bytes(), []byte("connection dead")) {
		t.Errorf("nothing was logged: %s", h.log)
	}
}

// The journal is caught while a transaction is open.
func TestJournalHoldsNoSecret(t *testing.T) {
	h := sealedHouse(t)
	tx, err := h.DB.Begin()
	check(t, err)
	_, err = tx.Exec(`UPDATE connections SET last_error = 'x'`)
	check(t, err)
	_, err = tx.Exec(`PRAGMA cache_spill = 1`)
	check(t, err)
	journal, err := os.ReadFile(h.path + "-journal")
	check(t, err)
	check(t, tx.Rollback())
	if bytes.Contains(journal, []byte("box-")) {
		t.Error("the journal holds a token")
	}
}

func TestSecretHides(t *testing.T) {
	s := keeper.Secret("open sesame")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "in", struct{ S keeper.Secret }{s})
	data, err := json.Marshal(map[string]any{"s": s})
	check(t, err)
	for _, text := range []string{fmt.Sprintf("%v %s %q %x %d %#v %+v", s, s, s, s, s, s, struct{ S keeper.Secret }{s}), log.String(), string(data)} {
		if strings.Contains(text, "sesame") || strings.Contains(text, fmt.Sprintf("%x", "sesame")) {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestSwappedTruncatedForeign(t *testing.T) {
	for name, test := range map[string]struct {
		sql  string
		kind error
	}{
		"swapped columns": {`UPDATE connections SET access_token = refresh_token WHERE connection_name = 'box'`, keeper.ErrSealed},
		"swapped rows":    {`UPDATE connections SET access_token = (SELECT access_token FROM connections WHERE connection_name = 'json') WHERE connection_name = 'box'`, keeper.ErrSealed},
		"renamed row":     {`UPDATE connections SET connection_name = 'box' WHERE connection_name = 'json'`, keeper.ErrSealed},
		"truncated":       {`UPDATE connections SET access_token = substr(access_token, 1, 40) WHERE connection_name = 'box'`, keeper.ErrSealed},
		"cut to nothing":  {`UPDATE connections SET access_token = substr(access_token, 1, 14) WHERE connection_name = 'box'`, keeper.ErrSealed},
		"one bit":         {`UPDATE connections SET access_token = substr(access_token, 1, 30) || 'AAAA' || substr(access_token, 35) WHERE connection_name = 'box'`, keeper.ErrSealed},
		"plain":           {`UPDATE connections SET access_token = 'hello' WHERE connection_name = 'box'`, keeper.ErrSealed},
		"foreign key":     {`UPDATE connections SET access_token = 'mks1.00000000.' || substr(access_token, 15) WHERE connection_name = 'box'`, keeper.ErrKey},
	} {
		t.Run(name, func(t *testing.T) {
			h := sealedHouse(t)
			if name == "renamed row" {
				_, err := h.DB.Exec(`DELETE FROM connections WHERE connection_name = 'box'`)
				check(t, err)
			}
			_, err := h.DB.Exec(test.sql)
			check(t, err)
			_, err = h.token()
			wants(t, err, test.kind, `access_token of connections row "owner/box"`, "hint:")
		})
	}
}

func TestKeyFile(t *testing.T) {
	h := sealedHouse(t)
	path := h.Keys.Path
	info, err := os.Stat(path)
	check(t, err)
	equal(t, "mode", info.Mode().Perm(), 0o600)
	wants(t, keyring.NewFile(path), keeper.ErrExists)
	check(t, os.Chmod(path, 0o644))
	_, err = h.token()
	wants(t, err, keeper.ErrKey, path, "0644", "hint: chmod 600")
	check(t, os.Chmod(path, 0o600))
	old, err := os.ReadFile(path)
	check(t, err)
	check(t, os.Remove(path))
	_, err = h.token()
	wants(t, err, keeper.ErrKey, path, "hint: ")
	check(t, keyring.NewFile(path))
	_, err = h.token()
	wants(t, err, keeper.ErrKey, "sealing key ", path)
	check(t, os.WriteFile(path, nil, 0o600))
	_, err = h.token()
	wants(t, err, keeper.ErrKey, "no key")
	// A Fernet key has the same form: 32 bytes, padded.
	var value string
	for line := range strings.Lines(string(old)) {
		if !strings.HasPrefix(line, "#") {
			value = strings.TrimSpace(line) + "="
		}
	}
	h.Keys.Value = keeper.Secret(value)
	_, err = h.token()
	check(t, err)
	_, _, err = h.Rotate(context.Background())
	wants(t, err, keeper.ErrInvalid, "MINTKEEP_KEY")
	h.Keys.Value = keeper.Secret(strings.Repeat("A", 43) + " " + value)
	n, _, err := h.Rotate(context.Background())
	check(t, err)
	equal(t, "sealed again", n, 7)
	h.Keys.Value = keeper.Secret(strings.Repeat("A", 43))
	_, err = h.token()
	check(t, err)
}

func TestRotate(t *testing.T) {
	h := sealedHouse(t)
	before, err := h.token()
	check(t, err)
	keys, err := os.ReadFile(h.Keys.Path)
	check(t, err)
	other := open(h.path) // a long-running process
	other.Now = h.clock.now
	defer other.DB.Close()
	_, err = other.Token(context.Background(), "owner", "box", 0)
	check(t, err)
	n, id, err := h.Rotate(context.Background())
	check(t, err)
	equal(t, "sealed again", n, 7)
	var left int
	check(t, h.DB.QueryRow(`SELECT count(*) FROM connections WHERE access_token NOT LIKE 'mks1.'||?||'.%'`, id).Scan(&left))
	equal(t, "left", left, 0)
	now, err := os.ReadFile(h.Keys.Path)
	check(t, err)
	equal(t, "keys in the file", strings.Count(string(now), "\n"), strings.Count(string(keys), "\n"))
	equal(t, "file changed", string(now) != string(keys), true)
	for _, k := range []*keeper.Keeper{h.Keeper, other} {
		after, err := k.Token(context.Background(), "owner", "box", 0)
		check(t, err)
		equal(t, "token", string(after.AccessToken), string(before.AccessToken))
	}
	_, err = other.Refresh(context.Background(), "owner", "box")
	check(t, err)
	_, _, err = h.Rotate(context.Background())
	check(t, err)
	_, err = h.Refresh(context.Background(), "owner", "box")
	check(t, err)
}

// `key rotate` killed at random moments loses nothing.
func TestRotateKilled(t *testing.T) {
	h := sealedHouse(t)
	before, err := h.token()
	check(t, err)
	first, _ := os.ReadFile(h.Keys.Path)
	for range 100 {
		cmd := process(t, "rotate", h, "")
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "ready" {
			t.Fatalf("the child said %q", lines.Text())
		}
		time.Sleep(time.Duration(rand.N(25_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		if lines.Scan() {
			t.Fatalf("the child said %q", lines.Text())
		}
		_ = cmd.Wait()
		after, err := h.token()
		check(t, err)
		equal(t, "token", string(after.AccessToken), string(before.AccessToken))
	}
	_, _, err = h.Rotate(context.Background())
	check(t, err)
	_, err = h.Refresh(context.Background(), "owner", "box")
	check(t, err)
	_, err = h.Refresh(context.Background(), "owner", "json")
	check(t, err)
	last, _ := os.ReadFile(h.Keys.Path)
	equal(t, "key changed", string(first) != string(last), true)
	equal(t, "one key is left", strings.Count(string(last), "\n"), 2)
	files, err := filepath.Glob(h.Keys.Path + "*")
	check(t, err)
	equal(t, "files", len(files), 1)
}
