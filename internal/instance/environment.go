package instance

import (
	"context"
	"database/sql"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"mintkeep/endpoint/grant"
	"mintkeep/internal/config"
	"mintkeep/internal/discover"
	"mintkeep/internal/oauth"
	"mintkeep/internal/store"
	"mintkeep/keeper"
)

// An Environment is what the program was started with, and what package main
// makes it of.
type Environment struct {
	Args   []string // without the program's name
	Env    map[string]string
	Stdin  *os.File
	Stdout io.Writer
	Stderr io.Writer
	// Now is the only clock.
	Now func() time.Time
	// Version is that of the release.
	Version string
	// Schema is the SQL of schema.sql.
	Schema string
	// Settings are all keys of the configuration file and names of settings.
	Settings config.Table
	// EndpointSettings are the checked values as the token endpoint has them.
	EndpointSettings func(config.Values) *grant.Settings

	hold      hold // while a kept token is refreshed
	makeKey   sync.Once
	memoryKey keeper.Secret // seals what is kept in memory alone
}

// Getenv returns an environment variable, or "".
func (e *Environment) Getenv(name string) string { return e.Env[name] }

// network is how this process reaches others: through the proxy of HTTPS_PROXY, if there
// is one. In CGI a request could name one (its header Proxy is HTTP_PROXY there).
func (e *Environment) network(c *config.Config) discover.Network {
	n := discover.Network{CAFile: c.CAFile}
	if e.Env["REQUEST_METHOD"] == "" {
		n.Proxy = http.ProxyFromEnvironment
	}
	return n
}

// OpenDatabase opens the database of an installation and brings it up to date.
func (e *Environment) OpenDatabase(ctx context.Context, c *config.Config, longRunning bool, create store.Creation) (*sql.DB, error) {
	return store.Open(ctx, store.Options{Path: c.Database, Schema: e.Schema, Now: e.Now(), LongRunning: longRunning,
		WAL: c.Journal == "wal", Create: create, RefuseNew: c.RefuseNewDatabase, CanonicalURL: oauth.CanonicalURL})
}

// ParseSettings checks the rows of the table `settings` together with the configuration.
func (e *Environment) ParseSettings(rows []config.Row, c *config.Config) (*grant.Settings, error) {
	values, refused, err := e.Settings.Parse(rows, c)
	if err != nil {
		return nil, err
	}
	st := e.EndpointSettings(values)
	st.Refused = refused
	return st, nil
}
