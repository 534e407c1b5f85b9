package grant

import (
	"context"
	"errors"
	"time"

	"mintkeep/internal/discover"
	"mintkeep/internal/store"
)

// retryAfter is how soon a page that could not be read is asked again.
const retryAfter = 5 * time.Minute

// CachedPage is what read returned for a page within the last life: of an app its
// name (about client), of a person the profile (about profile). After that read
// is called again. If it fails, the older text is returned with the error, and
// the page is not asked again for five minutes (or life, if that is less), unless it was not asked this time
// (discover.ErrBusy).
func (s *Store) CachedPage(ctx context.Context, now time.Time, about, page string, life time.Duration,
	read func() (string, error)) (string, error) {
	var text string
	var fetched, tried time.Time
	_, err := store.Row(ctx, s.DB, "reading what pages said", `SELECT said, fetched, tried FROM pages WHERE about = ? AND url = ?`,
		[]any{about, page}, &text, store.Into(&fetched), store.Into(&tried))
	within := func(at time.Time, life time.Duration) bool { // not if the clock was ahead then
		age := now.Sub(at)
		return age < life && (age >= -aheadLife || at.Year() == 9999)
	}
	if err != nil || within(fetched, life) || within(tried, min(life, retryAfter)) {
		return text, err
	}
	fresh, fault := read()
	if errors.Is(fault, discover.ErrBusy) {
		return text, fault
	}
	if fault == nil {
		text, fetched = fresh, now
	}
	err = store.Exec(ctx, s.DB, "writing what a page says", `INSERT INTO pages (about, url, said, fetched, tried) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET said = excluded.said, fetched = excluded.fetched, tried = excluded.tried`,
		about, page, text, store.NullTime(fetched), store.Time(now))
	return text, errors.Join(fault, err)
}
