package keeper_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"mintkeep/keeper"
	"mintkeep/keeper/keepertest"
	"mintkeep/keeper/keyring"
	"mintkeep/keeper/provider"
)

// exampleSite is a database as `mintkeep init` and `mintkeep key new` make it, with a
// provider called club, and that provider.
func exampleSite() (database string, club *keepertest.Provider, done func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	database, club = filepath.Join(dir, "tokens.db"), keepertest.New()
	server := httptest.NewServer(club)
	schema, err := os.ReadFile("../schema.sql")
	db, err2 := sql.Open("sqlite3", database)
	if err := errors.Join(err, err2); err != nil {
		panic(err)
	}
	defer db.Close()
	if _, err := db.Exec(string(schema)); err != nil {
		panic(err)
	}
	if err := keyring.NewFile(filepath.Join(dir, "mintkeep.key")); err != nil {
		panic(err)
	}
	k, err := keeper.Open(context.Background(), database)
	if err != nil {
		panic(err)
	}
	defer k.DB.Close()
	err = k.Registry().Add(context.Background(), provider.Provider{Name: "club", TokenURL: server.URL + "/token",
		ClientID: keepertest.ClientID, ClientSecret: keepertest.ClientSecret, Scope: "read"})
	if err == nil {
		_, err = k.Connect(context.Background(), keeper.Target{Provider: "club"}, keeper.GrantPassword, ask(keepertest.Password))
	}
	if err != nil {
		panic(err)
	}
	return database, club, func() { server.Close(); _ = os.RemoveAll(dir) }
}

// A program reads a token that is good for at least five more minutes. If it has ended, it is
// refreshed first, once however many programs ask.
func Example() {
	database, club, done := exampleSite()
	defer done()

	ctx := context.Background()
	k, err := keeper.Open(ctx, database)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer k.DB.Close()
	t, err := k.Token(ctx, keeper.DefaultUser, "club", 5*time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.TokenType, t.AccessToken, club.Active(string(t.AccessToken)))
	// Output:
	// Bearer [hidden] true
}

// What golang.org/x/oauth2 wants, and with it most clients of APIs.
func ExampleKeeper_TokenSource() {
	database, club, done := exampleSite()
	defer done()

	ctx := context.Background()
	k, err := keeper.Open(ctx, database)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer k.DB.Close()
	source := k.TokenSource(ctx, keeper.DefaultUser, "club", 5*time.Minute)
	t, err := source.Token()
	fmt.Println(err, t.Type(), club.Active(t.AccessToken))
	// Output:
	// <nil> Bearer true
}

// An error says of what kind it is, and what to do.
func ExampleFault() {
	database, _, done := exampleSite()
	defer done()

	ctx := context.Background()
	k, err := keeper.Open(ctx, database)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer k.DB.Close()
	_, err = k.Token(ctx, keeper.DefaultUser, "clubs", 0)
	var fault *keeper.Fault
	if errors.As(err, &fault) && errors.Is(err, keeper.ErrUnknown) {
		fmt.Println(fault.What)
		fmt.Println(fault.Hint)
	}
	// Output:
	// no connection "clubs" of user "owner"
	// did you mean club? `mintkeep connections` lists them, `mintkeep connect` makes one
}
