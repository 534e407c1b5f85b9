package store

import (
	"context"
	"strings"
	"time"
	"unicode"
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

const (
	maxText = 512  // bytes of each text of an event
	maxKind = 1000 // events of a kind that strangers can cause
)

// Record writes an event in the transaction of what it tells. A long text is cut.
func Record(ctx context.Context, tx Querier, e Event) error {
	err := Exec(ctx, tx, "recording an event", `INSERT INTO events (at, event, me, client_id, token_id, connection, actor, address, detail)
		VALUES (?, ?, nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''), nullif(?, ''))`,
		Time(e.At), e.Kind, cut(e.Me), cut(e.ClientID), cut(e.TokenID), cut(e.Connection), cut(e.Actor), cut(e.Address), cut(e.Detail))
	if err != nil || e.Kind != "refused" && e.Kind != "replay" {
		return err
	}
	return Exec(ctx, tx, "deleting old events", `DELETE FROM events WHERE event = ?1 AND event_id <=
		(SELECT event_id FROM events WHERE event = ?1 ORDER BY event_id DESC LIMIT 1 OFFSET ?2)`, e.Kind, maxKind)
}

// cut shortens a text to maxText bytes, without a part of a character at its end. What
// strangers put into it that is invisible or turns the text around it is marked.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return unicode.ReplacementChar
	}, s)
	if len(s) <= maxText {
		return s
	}
	const sign = "…"
	return strings.ToValidUTF8(s[:maxText-len(sign)], "") + sign
}

// Events reads at most n events (all, if n is negative) from before the event
// with that ID (from the newest, if 0), newest first. No more than half of them are
// of what was refused: strangers cannot push the others out. If kinds are named, there
// are no others.
func Events(ctx context.Context, db Querier, before int64, n int, kinds ...string) ([]Event, error) {
	scan := func(scan func(...any) error) (e Event, err error) {
		err = scan(&e.ID, Into(&e.At), &e.Kind, &e.Me, &e.ClientID, &e.TokenID, &e.Connection, &e.Actor, &e.Address, &e.Detail)
		return e, err
	}
	return List(ctx, db, "reading the log", scan, `SELECT event_id, at, event, coalesce(me, ''), coalesce(client_id, ''),
		coalesce(token_id, ''), coalesce(connection, ''), coalesce(actor, ''), coalesce(address, ''), coalesce(detail, '') FROM events
		WHERE (?1 = 0 OR event_id < ?1) AND (?3 = ',,' OR instr(?3, ',' || event || ',') > 0) AND (event <> 'refused' OR event_id IN (SELECT event_id FROM events
			WHERE event = 'refused' AND (?1 = 0 OR event_id < ?1) ORDER BY event_id DESC LIMIT CASE WHEN ?2 < 0 THEN -1 ELSE (?2 + 1) / 2 END))
		ORDER BY event_id DESC LIMIT ?2`, before, n, ","+strings.Join(kinds, ",")+",")
}
