package main

import (
	"context"
	"database/sql"
	"net/http"
	"time"

	"mintkeep/endpoint"
	"mintkeep/internal/owner"
	"mintkeep/keeper"
)

// pages makes the owner's pages of an opened site.
func (s *site) pages(in *endpoint.Server, out *keeper.Keeper) *owner.Pages {
	return &owner.Pages{
		In: in, Out: out,
		Events: func(ctx context.Context, before int64, n int) ([]owner.Event, error) {
			return readEvents(ctx, in.DB, before, n)
		},
		Check: func(r *http.Request) []owner.Finding {
			var all []owner.Finding
			for _, f := range s.findings(r, s.config) {
				all = append(all, owner.Finding{Level: string(f.Level), What: f.What, Do: f.Do})
			}
			return all
		},
	}
}

// readEvents reads at most n events (all, if n is negative) from before a
// certain one (from the newest, if 0), newest first.
func readEvents(ctx context.Context, db *sql.DB, before int64, n int) ([]owner.Event, error) {
	found, err := db.QueryContext(ctx, `SELECT event_id, at, event, coalesce(me, ''), coalesce(client_id, ''), coalesce(token_id, ''),
		coalesce(connection, ''), coalesce(actor, ''), coalesce(address, ''), coalesce(detail, '') FROM events
		WHERE ?1 = 0 OR event_id < ?1 ORDER BY event_id DESC LIMIT ?2`, before, n)
	if err != nil {
		return nil, wrap("reading the log", err)
	}
	defer found.Close()
	var all []owner.Event
	for found.Next() {
		var e owner.Event
		var at string
		if err := found.Scan(&e.ID, &at, &e.Kind, &e.Me, &e.ClientID, &e.TokenID, &e.Connection, &e.Actor, &e.Address, &e.Detail); err != nil {
			return nil, wrap("reading the log", err)
		}
		e.At, _ = time.Parse(time.DateTime, at)
		all = append(all, e)
	}
	return all, wrap("reading the log", found.Err())
}
