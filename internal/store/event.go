package store

import (
	"context"
	"fmt"
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
	_, err := tx.ExecContext(ctx, `INSERT INTO events (at, event, me, client_id, token_id, connection, actor, address, detail)
		VALUES (?, ?, nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''))`,
		Time(e.At), e.Kind, e.Me, e.ClientID, e.TokenID, e.Connection, e.Actor, e.Address, e.Detail)
	if err != nil {
		return fmt.Errorf("recording an event: %w", err)
	}
	return nil
}

// Events reads at most n events (all, if n is negative) from before the event
// with that ID (from the newest, if 0), newest first.
func Events(ctx context.Context, db Querier, before int64, n int) ([]Event, error) {
	rows, err := db.QueryContext(ctx, `SELECT event_id, at, event, coalesce(me, ''), coalesce(client_id, ''), coalesce(token_id, ''),
		coalesce(connection, ''), coalesce(actor, ''), coalesce(address, ''), coalesce(detail, '') FROM events
		WHERE ?1 = 0 OR event_id < ?1 ORDER BY event_id DESC LIMIT ?2`, before, n)
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	defer rows.Close()
	var all []Event
	for rows.Next() {
		var e Event
		var at string
		err := rows.Scan(&e.ID, &at, &e.Kind, &e.Me, &e.ClientID, &e.TokenID, &e.Connection, &e.Actor, &e.Address, &e.Detail)
		if err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		e.At, _ = time.Parse(time.DateTime, at)
		all = append(all, e)
	}
	return all, rows.Err()
}
