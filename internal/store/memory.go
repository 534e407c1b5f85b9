package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Memory is the path of a database that is nowhere but in its process, and gone with it.
const Memory = ":memory:"

func openMemory(ctx context.Context, o Options) (*sql.DB, error) {
	if o.Create == InNewFolder {
		return nil, errors.New("a database in memory is gone before the next request comes\nhint: name a file; `mintkeep serve` alone can do without, for a trial")
	}
	db := sql.OpenDB(&busyConnector{dsn: "file:" + Memory + "?_txlock=immediate"})
	db.SetMaxOpenConns(1) // another connection would have a database of its own
	if _, err := db.ExecContext(ctx, o.Schema); err != nil {
		db.Close()
		return nil, fmt.Errorf("making a database in memory: %w", err)
	}
	return db, nil
}
