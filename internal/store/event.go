package store

import (
	"context"
	"time"
)

// An Event is something worth remembering, shown by `mintkeep log` and on the
// owner's pages. It holds no secret.
type Event struct {
	ID         int64
	At         time.Time
	Kind       string // issued, refreshed, revoked, replay, reuse, refused, connected, …
	Me         string
	ClientID   string
	TokenID    string
	Connection string // user/name of a kept connection
	Actor      string // the API key that asked; empty for the command line and the program itself
	Address    string // the client's, as it is counted
	Detail     string
}

// Record writes an event in the transaction of what it tells.
func Record(ctx context.Context, tx Querier, e Event) error {
	return Exec(ctx, tx, "recording an event", `INSERT INTO events (at, event, me, client_id, token_id, connection, actor, address, detail)
		VALUES (?, ?, nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''))`,
		Time(e.At), e.Kind, e.Me, e.ClientID, e.TokenID, e.Connection, e.Actor, e.Address, e.Detail)
}

// Events reads at most n events (all, if n is negative) from before the event
// with that ID (from the newest, if 0), newest first.
func Events(ctx context.Context, db Querier, before int64, n int) ([]Event, error) {
	scan := func(scan func(...any) error) (e Event, err error) {
		err = scan(&e.ID, Into(&e.At), &e.Kind, &e.Me, &e.ClientID, &e.TokenID, &e.Connection, &e.Actor, &e.Address, &e.Detail)
		return e, err
	}
	return List(ctx, db, "reading the log", scan, `SELECT event_id, at, event, coalesce(me, ''), coalesce(client_id, ''),
		coalesce(token_id, ''), coalesce(connection, ''), coalesce(actor, ''), coalesce(address, ''), coalesce(detail, '') FROM events
		WHERE ?1 = 0 OR event_id < ?1 ORDER BY event_id DESC LIMIT ?2`, before, n)
}
