package grant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mintkeep/internal/store"
)

// retryAfter is how soon a page that could not be read is asked again.
const retryAfter = 5 * time.Minute

// CachedPage is what read returned for a page within the last life: of an app its
// name (about client), of a person the profile (about profile). After that read
// is called again. If it fails, the older text is returned with the error, and
// the page is not asked again for five minutes.
func (s *Store) CachedPage(ctx context.Context, now time.Time, about, page string, life time.Duration,
	read func() (string, error)) (string, error) {
	var text string
	var fetched, tried sql.NullString
	err := s.DB.QueryRowContext(ctx, `SELECT said, fetched, tried FROM pages WHERE about = ? AND url = ?`, about, page).
		Scan(&text, &fetched, &tried)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("reading what pages said: %w", err)
	}
	if now.Sub(store.ParseTime(fetched)) < life || now.Sub(store.ParseTime(tried)) < retryAfter {
		return text, nil
	}
	fresh, fault := read()
	if fault == nil {
		text, fetched = fresh, store.NullTime(now)
	}
	err = store.Write(ctx, s.DB, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO pages (about, url, said, fetched, tried) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET said = excluded.said, fetched = excluded.fetched, tried = excluded.tried`,
			about, page, text, fetched, store.Time(now))
		return err
	})
	return text, errors.Join(fault, err)
}
